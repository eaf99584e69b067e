import Base
import KonexusSandbox
import Testing

/// One failure of the matrix: how it is brought about, and what the daemon calls it.
struct Hardship: Sendable, CustomTestStringConvertible {
  /// How it is brought about.
  enum Means: Sendable {
    /// Faults of the sandbox, in effect until they are cleared.
    case faults([Fault])
    /// No server listens.
    case down
    /// The name has no address.
    case noName
    /// The name leads to a server with this certificate.
    case certificate(SandboxOptions.ServerCertificate)
    /// The name leads to a server that speaks no newer TLS.
    case tls(SandboxOptions.TLSVersion)
    /// The connection uses a proxy, which is not reachable.
    case proxyGone
    /// The connection uses a proxy, which answers CONNECT with this status.
    case proxyRefuses(status: Int)
    /// `ca_file` holds something else.
    case caFile(String)
    /// The file with the client's secret is missing.
    case noSecretFile
  }

  var name: String
  var code: FailureCode
  var means: Means
  /// The least time between two requests that the server asked for, in seconds.
  var retryAfter: Double?
  /// Whether it asked for an unreasonable time. At most 5 min are granted, which is too long for a test.
  var asksForAges = false
  /// Whether it affects the server's documents. The daemon caches them, and a refresh only reads them again when they
  /// are stale.
  var isOfDocuments = false

  var testDescription: String { name }

  init(_ name: String, _ code: FailureCode, _ means: Means) {
    self.name = name
    self.code = code
    self.means = means
  }

  /// A fault of one endpoint, the token endpoint unless another is named.
  init(_ name: String, _ code: FailureCode, _ kind: Fault.Kind, at endpoint: SandboxEndpoint = .token) {
    self.init(name, code, .faults([Fault(kind, at: [endpoint])]))
    isOfDocuments = endpoint == .discovery || endpoint == .jwks
  }

  /// A fault of whole connections.
  init(_ name: String, _ code: FailureCode, connections kind: Fault.Kind) {
    self.init(name, code, .faults([Fault(kind)]))
  }

  func asking(retryAfter seconds: Double) -> Hardship {
    var copy = self
    copy.retryAfter = seconds
    return copy
  }

  func askingForAges() -> Hardship {
    var copy = self
    copy.asksForAges = true
    return copy
  }

  /// Whether a document is unavailable rather than wrong.
  var isOutage: Bool {
    switch code {
    case .issuerMismatch, .discoveryIncomplete, .insecureEndpoint: false
    default: true
    }
  }

  /// Whether a process that has got a token is spared: it has documents and secrets in memory.
  var needsRestart: Bool { if case .noSecretFile = means { true } else { isOfDocuments } }

  /// Whether a daemon with names of its own is needed.
  var needsNames: Bool {
    switch means {
    case .faults, .down, .proxyGone, .proxyRefuses, .caFile, .noSecretFile: false
    case .noName, .certificate, .tls: true
    }
  }
}
