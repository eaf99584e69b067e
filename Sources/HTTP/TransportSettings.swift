import Base
internal import CCurl
public import Files

/// The trust, the client certificate and the proxy of a connection.
///
/// The settings name files and do not hold them. Each request reads the files anew, and no connection made with older
/// contents is reused.
public struct TransportSettings: Hashable, Sendable {
  /// A PEM file of CA certificates that replace the system's.
  public var caFile: String?
  /// A PEM file with the client's certificate, followed by its intermediate CA certificates (RFC 8705).
  public var clientCertificateFile: String?
  /// A PEM file with the client certificate's private key, unencrypted; nil if it is in the certificate's file.
  public var clientKeyFile: String?
  /// The public key that the server must have besides a valid certificate, in curl's notation: `sha256//BASE64`,
  /// several separated by `;`.
  public var pinnedPublicKey: String?
  /// The proxy.
  public var proxy: ProxySetting
  /// The required owners of the files.
  public var fileRules: FileRules

  /// Makes settings. The defaults: the system's CA certificates, no client certificate, no pin, the environment's
  /// proxies, files owned by root or by this process's user.
  public init(
    caFile: String? = nil, clientCertificateFile: String? = nil, clientKeyFile: String? = nil,
    pinnedPublicKey: String? = nil, proxy: ProxySetting = .environment, fileRules: FileRules = FileRules()
  ) {
    self.caFile = caFile
    self.clientCertificateFile = clientCertificateFile
    self.clientKeyFile = clientKeyFile
    self.pinnedPublicKey = pinnedPublicKey
    self.proxy = proxy
    self.fileRules = fileRules
  }
}

extension TransportSettings {
  /// The options of curl(1) for the same connection. A user and a password of the proxy are left out.
  package var curlOptions: [String] {
    var options: [String] = []
    if let caFile { options += ["--cacert", caFile] }
    if let clientCertificateFile { options += ["--cert", clientCertificateFile] }
    if let clientKeyFile { options += ["--key", clientKeyFile] }
    if let pinnedPublicKey { options += ["--pinnedpubkey", pinnedPublicKey] }
    switch proxy {
    case .environment: break
    case .none: options += ["--noproxy", "*"]
    case .url(let url):
      let scheme = url.prefix { $0 != "/" } + "//"
      // A password can contain any character. Host and port follow the last @.
      let place = url.dropFirst(scheme.count).split(separator: "@", omittingEmptySubsequences: false).last ?? ""
      options += ["--proxy", "\(scheme)\(place.prefix { $0 != "/" })"]
    }
    return options
  }

  /// The lane of ``FileCalls`` that reads its files; nil if it names none.
  package var fileLane: String? {
    let paths = [caFile, clientCertificateFile, clientKeyFile].compactMap(\.self)
    return paths.isEmpty ? nil : "tls " + paths.joined(separator: " ")
  }

  /// The fault to report if a call on its files hangs at `path`. With nil, the report names the file that is read
  /// first.
  func fault(ofOverdue path: String?) -> HTTPFailure.TLSFault {
    switch path ?? caFile ?? clientCertificateFile {
    case caFile?: .caFileUnreadable
    case clientKeyFile?: .clientKeyUnusable
    default: .clientCertificateUnusable
    }
  }
}

/// The proxy of a request. A plain http request goes to a loopback host only and uses no proxy.
public enum ProxySetting: Hashable, Sendable {
  /// The proxy in `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`, with the exceptions in `no_proxy`,
  /// `NO_PROXY`. Loopback hosts are connected directly.
  case environment
  /// No proxy. The environment does not count.
  case none
  /// This proxy: `http://` or `https://`, a host, a port, optionally a user and password.
  case url(String)
}

/// The contents of the files that `TransportSettings` names, checked and read for one request.
///
/// libcurl gets contents instead of names, so that it uses exactly what was checked. It distinguishes connections by
/// the contents, so that a changed `caFile` needs a new connection.
struct TransportFiles: Sendable {
  let authorities: AuthoritiesFile?
  let certificate: Secret?
  let key: Secret?

  /// No files: the system's CA certificates, and no client certificate.
  static let none = TransportFiles(authorities: nil, certificate: nil, key: nil)

  private init(authorities: AuthoritiesFile?, certificate: Secret?, key: Secret?) {
    self.authorities = authorities
    self.certificate = certificate
    self.key = key
  }

  init(_ settings: TransportSettings, _ kept: AuthoritiesFiles) throws(HTTPFailure) {
    let rules = settings.fileRules
    let keyFile = settings.clientKeyFile
    let contents = try Self.read(settings.caFile, "ca_file", .caFileUnreadable) { path throws(FileRefusal) in
      try PEMFile.readAuthorities(path, rules: rules)
    }
    authorities = if let contents { try kept.file(of: contents) } else { nil }
    certificate = try Self.read(
      settings.clientCertificateFile, "client certificate",
      keyFile == nil ? .clientKeyUnusable : .clientCertificateUnusable
    ) { path throws(FileRefusal) in
      try PEMFile.readClientCertificates(path, needsKey: keyFile == nil, rules: rules)
    }
    key =
      try Self.read(keyFile, "client key", .clientKeyUnusable) { path throws(FileRefusal) in
        try PEMFile.readKey(path, rules: rules)
      } ?? certificate
  }

  private static func read(
    _ path: String?, _ role: String, _ fault: HTTPFailure.TLSFault,
    _ body: (String) throws(FileRefusal) -> Secret
  ) throws(HTTPFailure) -> Secret? {
    guard let path else { return nil }
    do throws(FileRefusal) { return try body(path) } catch {
      throw HTTPFailure(
        reason: .tls(fault), message: "the \(role) '\(error.path.printable)' \(error.problem)", remedy: error.remedy)
    }
  }
}

/// The system's CA certificates: a directory with one file per certificate, named by its hash, and a bundle of all.
///
/// In the directory, OpenSSL reads only the certificate that it needs. It reads the bundle as a whole, about 140
/// certificates, which takes some 20 ms of CPU time per connection. Therefore the directory is used first. Both are
/// used together if the directory lacks the certificate: some systems fill only the bundle.
struct SystemAuthorities: Sendable {
  /// The hashed directory; nil for libcurl's default.
  var directory: String?
  /// The bundle; nil for libcurl's default.
  var bundle: String?

  /// The part that a transfer uses.
  enum Part: Sendable {
    case directory, all
  }

  /// Sets libcurl's options.
  func apply(_ part: Part, to options: inout TransferOptions) {
    if let directory { options.set(CURLOPT_CAPATH, directory) }
    if let bundle { options.set(CURLOPT_CAINFO, bundle) }
    guard part == .directory else { return }
    // A libcurl without a directory uses its bundle, or its TLS library's own store.
    if directory != nil || ccurl_loaded()?.pointee.capath != nil { options.setNull(CURLOPT_CAINFO) }
  }
}
