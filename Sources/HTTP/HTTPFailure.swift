/// Why an exchange brought no answer.
///
/// An answer with an error status is no failure here. `message` is for people: it names the host and port and never holds a
/// secret.
public struct HTTPFailure: Error, Hashable, Sendable {
  /// The kinds of failure, told apart as far as somebody would act on them differently.
  public enum Reason: Hashable, Sendable {
    /// Not a URL that this client takes.
    case invalidURL
    /// Plain http to a host that is not this one.
    case insecureURL
    /// The host's name could not be resolved.
    case nameResolution
    /// The host is there, but nothing listens on the port.
    case connectionRefused
    /// The connection could not be made or broke before an answer came: reset, unreachable, closed.
    case connectionFailed
    /// The TLS handshake failed.
    case tls(TLSFault)
    /// The time ran out during this stage.
    case timeout(stage: Stage)
    /// The connection ended in the middle of the answer.
    case truncatedBody
    /// The content is longer than `limit` bytes.
    case bodyTooLarge(limit: Int)
    /// The header fields are longer than 64 KiB.
    case headersTooLarge
    /// The proxy could not be found or reached, or refused.
    case proxy
    /// What came is not HTTP.
    case malformedResponse
    /// The task was cancelled.
    case cancelled
    /// Anything else: no memory, no threads, a header that cannot be sent.
    case other
  }

  /// What went wrong in a TLS handshake.
  public enum TLSFault: Hashable, Sendable {
    /// The certificate leads to no authority that is trusted.
    case unknownAuthority
    /// The server's certificate is signed by itself and not among the trusted.
    case selfSigned
    /// A certificate's time is over.
    case expired
    /// A certificate's time has not begun; or this host's clock is slow.
    case notYetValid
    /// The certificate is for other names.
    case hostNameMismatch
    /// No common protocol version: the server offers less than TLS 1.2.
    case protocolVersion
    /// The server says that it wants a client certificate, or rejects the one it got. (Before TLS 1.3 many say only "handshake
    /// failure", which is `other`.)
    case clientCertificateRequired
    /// The client certificate cannot be read or used, or its key cannot be used.
    case clientCertificateUnusable
    /// The file with the client certificate's key is missing, cannot be read, or is open to others.
    case clientKeyUnusable
    /// The server's public key is not the pinned one.
    case pinMismatch
    /// The `caFile` is missing, unreadable, in other hands, or holds no certificate.
    case caFileUnreadable
    /// Anything else.
    case other
  }

  /// How far an exchange had come.
  public enum Stage: Hashable, Sendable {
    /// Waiting for DNS.
    case nameLookup
    /// Waiting for a proxy: its connection, or its answer to CONNECT.
    case proxy
    /// Waiting for the TCP connection to the server.
    case connect
    /// Waiting for the TLS handshake.
    case tls
    /// Waiting for the first byte of the answer.
    case response
    /// Waiting for the rest of it.
    case body
  }

  /// The kind of failure.
  public var reason: Reason
  /// One sentence for people, without a full stop.
  public var message: String

  /// Makes a failure.
  public init(reason: Reason, message: String) {
    self.reason = reason
    self.message = message
  }
}

extension HTTPFailure: CustomStringConvertible {
  /// The message.
  public var description: String { message }
}
