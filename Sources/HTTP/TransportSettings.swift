import Base
internal import CCurl
public import Files

/// Whom a connection trusts, as whom it presents itself, and through which proxy it goes.
///
/// Files are named, not held: each request reads them anew, and a connection made with an older content is not used again.
public struct TransportSettings: Hashable, Sendable {
  /// A PEM file of certificate authorities to trust instead of the system's.
  public var caFile: String?
  /// A PEM file with the client's certificate and, after it, those that lead to its authority (RFC 8705).
  public var clientCertificateFile: String?
  /// A PEM file with the client certificate's private key, unencrypted; nil if it is in the certificate's file.
  public var clientKeyFile: String?
  /// The public key that the server must show besides a valid certificate, as curl writes it: `sha256//BASE64`, several
  /// separated by `;`.
  public var pinnedPublicKey: String?
  /// The way out.
  public var proxy: ProxySetting
  /// Whose the files must be.
  public var fileRules: FileRules

  /// The defaults: the system's authorities, no client certificate, no pin, proxies as the environment says,
  /// files of root or of this process's user.
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
  /// Which lane of ``FileCalls`` reads its files; `nil` if it names none.
  package var fileLane: String? {
    let paths = [caFile, clientCertificateFile, clientKeyFile].compactMap(\.self)
    return paths.isEmpty ? nil : "tls " + paths.joined(separator: " ")
  }

  /// What a call on its files that hangs at `path` means; with `nil` the first of them counts, which is read first.
  func fault(ofOverdue path: String?) -> HTTPFailure.TLSFault {
    switch path ?? caFile ?? clientCertificateFile {
    case caFile?: .caFileUnreadable
    case clientKeyFile?: .clientKeyUnusable
    default: .clientCertificateUnusable
    }
  }
}

/// The proxy of a request. A plain http request, which goes to a loopback host only, never takes one.
public enum ProxySetting: Hashable, Sendable {
  /// As `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY` and `no_proxy`, `NO_PROXY` say. A loopback host is reached directly.
  case environment
  /// None, whatever the environment says.
  case none
  /// This one: `http://` or `https://`, a host, a port; a user and password may be in it.
  case url(String)
}

/// The contents of the files that `TransportSettings` names, checked and read for one request.
///
/// libcurl gets contents instead of names: what was checked is what is used, and it tells connections apart by them,
/// so that a connection made under an older `caFile` is not used again.
struct TransportFiles: Sendable {
  let authorities: Secret?
  let certificate: Secret?
  let key: Secret?

  /// No files: the system's authorities, and no client certificate.
  static let none = TransportFiles(authorities: nil, certificate: nil, key: nil)

  private init(authorities: Secret?, certificate: Secret?, key: Secret?) {
    self.authorities = authorities
    self.certificate = certificate
    self.key = key
  }

  init(_ settings: TransportSettings) throws(HTTPFailure) {
    let rules = settings.fileRules
    let keyFile = settings.clientKeyFile
    authorities = try Self.read(settings.caFile, "ca_file", .caFileUnreadable) { path throws(FileRefusal) in
      try PEMFile.readAuthorities(path, rules: rules)
    }
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
      throw HTTPFailure(reason: .tls(fault), message: "the \(role) \(error)")
    }
  }
}

/// Where the system keeps the authorities that it trusts: a directory in which each is a file named by its hash, and a bundle of all.
///
/// OpenSSL looks into the directory for the one authority that it needs; the bundle it reads whole, about 140 certificates, which
/// costs some 20 ms of processor time for each connection and is most of a refresh. So the directory is asked first, and both together
/// if it does not know the authority: on systems that fill the bundle alone.
struct SystemAuthorities: Sendable {
  /// The hashed directory; nil: where libcurl was built to look.
  var directory: String?
  /// The bundle; nil: where libcurl was built to look.
  var bundle: String?

  /// Which of them a transfer is told of.
  enum Part: Sendable {
    case directory, all
  }

  /// Tells libcurl.
  func apply(_ part: Part, to options: inout TransferOptions, _ easy: UnsafeMutableRawPointer) {
    if let directory { options.set(CURLOPT_CAPATH, directory) }
    if let bundle { options.set(CURLOPT_CAINFO, bundle) }
    guard part == .directory else { return }
    var path: UnsafePointer<CChar>?
    ccurl_get_string(easy, CURLINFO_CAPATH, &path)
    // A libcurl that knows no directory goes by its bundle, or by its TLS library's own store.
    if directory != nil || path != nil { options.setNull(CURLOPT_CAINFO) }
  }
}
