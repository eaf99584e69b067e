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
