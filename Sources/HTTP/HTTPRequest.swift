public import Base

/// One HTTP exchange to be made: what to send, where, and how long to wait at most.
///
/// Nothing secret is in `url` or `headers`; what is secret goes into `authorization` and `body`.
public struct HTTPRequest: Sendable {
  /// The request method; OAuth needs these two.
  public enum Method: String, Hashable, Sendable {
    /// RFC 9110 9.3.1.
    case get = "GET"
    /// RFC 9110 9.3.3.
    case post = "POST"
  }

  /// The request method.
  public var method: Method
  /// An absolute https URL, or http for a loopback host (see `Endpoint`).
  public var url: String
  /// Further header fields. `Accept: application/json` is sent unless one of these replaces it.
  public var headers: [HTTPHeader]
  /// The whole value of the `Authorization` field, such as `Basic Zm9v...`.
  public var authorization: Secret?
  /// The content of a POST.
  public var body: Secret?
  /// The media type of `body`.
  public var contentType: String
  /// The longest time for the whole exchange, from the name look-up to the last byte of the body.
  public var timeout: Duration
  /// The longest time until the connection stands: name look-up, TCP, proxy and TLS together. Unless it is given, half of `timeout`, and 15 s at
  /// the least: a first name server that is dead costs the C library 5 s before it asks the second.
  public var connectTimeout: Duration
  /// Whom to trust and which way to take.
  public var transport: TransportSettings
  /// Whether the response tells the server's certificates and the TLS version. It costs a connection of its own.
  public var collectsCertificates: Bool

  /// Makes a request; everything but the URL has a default that suits OAuth.
  public init(
    method: Method = .get, url: String, headers: [HTTPHeader] = [], authorization: Secret? = nil, body: Secret? = nil,
    contentType: String = "application/x-www-form-urlencoded", timeout: Duration = .seconds(10),
    connectTimeout: Duration? = nil, transport: TransportSettings = TransportSettings(),
    collectsCertificates: Bool = false
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.authorization = authorization
    self.body = body
    self.contentType = contentType
    self.timeout = timeout
    self.connectTimeout = min(timeout, connectTimeout ?? max(.seconds(15), timeout / 2))
    self.transport = transport
    self.collectsCertificates = collectsCertificates
  }
}
