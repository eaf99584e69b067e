/// The reason why an exchange brought no response.
///
/// A response with an error status is not a failure here. `message` names the host and the port, and never holds a
/// secret.
public struct HTTPFailure: Error, Hashable, Sendable {
  /// The kinds of failure, as far as they need different actions.
  public enum Reason: Hashable, Sendable {
    /// Not a URL that this client accepts.
    case invalidURL
    /// Plain http to a remote host.
    case insecureURL
    /// DNS could not resolve the host's name.
    case nameResolution
    /// The host refused the connection: nothing listens on the port.
    case connectionRefused
    /// The connection failed or broke before a response: reset, unreachable, closed.
    case connectionFailed
    /// The TLS handshake failed.
    case tls(TLSFault)
    /// The time limit passed during this stage.
    case timeout(stage: Stage)
    /// The connection ended in the middle of the response.
    case truncatedBody
    /// The content is longer than `limit` bytes.
    case bodyTooLarge(limit: Int)
    /// The header fields are longer than 64 KiB.
    case headersTooLarge
    /// The proxy was not found, not reached, or refused.
    case proxy
    /// The response is not HTTP.
    case malformedResponse
    /// The task was cancelled.
    case cancelled
    /// Any other reason: no memory, no threads, a header that cannot be sent.
    case other
  }

  /// The kinds of TLS failure.
  public enum TLSFault: Hashable, Sendable {
    /// No trusted CA certificate signed the certificate.
    case unknownAuthority
    /// The server's certificate is self-signed and not trusted.
    case selfSigned
    /// A certificate has expired.
    case expired
    /// A certificate is not valid yet, or this host's clock is slow.
    case notYetValid
    /// The certificate is for other names.
    case hostNameMismatch
    /// No common protocol version: the server supports only versions before TLS 1.2.
    case protocolVersion
    /// The server requires a client certificate, or rejects the one that was sent. Before TLS 1.3, many servers report
    /// only "handshake failure", which is `other`.
    case clientCertificateRequired
    /// The client certificate or its key is unreadable or unusable.
    case clientCertificateUnusable
    /// The file with the client certificate's key is missing, unreadable, or accessible to other users.
    case clientKeyUnusable
    /// The server's public key is not the pinned one.
    case pinMismatch
    /// The `caFile` is missing, unreadable, not owned as required, or holds no certificate.
    case caFileUnreadable
    /// Any other TLS failure.
    case other
  }

  /// The stage of an exchange.
  public enum Stage: Hashable, Sendable {
    /// Waiting for DNS.
    case nameLookup
    /// Waiting for a proxy: its connection, or its response to CONNECT.
    case proxy
    /// Waiting for the TCP connection to the server.
    case connect
    /// Waiting for the TLS handshake.
    case tls
    /// Waiting for the first byte of the response.
    case response
    /// Waiting for the rest of the response.
    case body
  }

  /// The kind of failure.
  public var reason: Reason
  /// One sentence for the administrator, without a full stop.
  public var message: String

  /// A remedy for this failure alone; nil if none is known here.
  public var remedy: String?

  /// Makes a failure.
  public init(reason: Reason, message: String, remedy: String? = nil) {
    self.reason = reason
    self.message = message
    self.remedy = remedy
  }
}

extension HTTPFailure {
  /// The failure of a response with more than `limit` bytes of content.
  static func bodyTooLarge(_ limit: Int, at endpoint: Endpoint) -> HTTPFailure {
    HTTPFailure(
      reason: .bodyTooLarge(limit: limit),
      message: "response from \(endpoint.place) too large: content of more than \(limit) bytes")
  }
}

extension HTTPFailure: CustomStringConvertible {
  /// The message.
  public var description: String { message }
}
