/// A complete answer: its status, header fields and content, and how it came.
public struct HTTPResponse: Sendable {
  /// The status code (RFC 9110 15). A redirect is an answer like any other; it is not followed.
  public var status: Int
  /// The header fields of the final response, without trailers and without what a proxy said.
  public var headers: HTTPHeaders
  /// The content, at most as long as the client allows.
  public var body: [UInt8]
  /// Where the time went.
  public var timings: HTTPTimings
  /// The IP address that was talked to (a proxy's, if one was used), or nil if unknown.
  public var remoteAddress: String?
  /// The server's certificate and those it sent along; empty unless the request asked for them.
  public var certificates: [CertificateSummary]
  /// Such as `TLSv1.3`; nil unless the request asked for certificates.
  public var tlsVersion: String?

  /// Makes a response.
  public init(
    status: Int, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [], timings: HTTPTimings = HTTPTimings(),
    remoteAddress: String? = nil, certificates: [CertificateSummary] = [], tlsVersion: String? = nil
  ) {
    self.status = status
    self.headers = headers
    self.body = body
    self.timings = timings
    self.remoteAddress = remoteAddress
    self.certificates = certificates
    self.tlsVersion = tlsVersion
  }
}

/// How long each phase of an exchange took. A phase that did not happen, as on a connection used again, took no time.
public struct HTTPTimings: Hashable, Sendable {
  /// The name look-up.
  public var nameLookup: Duration
  /// The TCP connection, after the look-up.
  public var connect: Duration
  /// The TLS handshake, after TCP; with a proxy its CONNECT exchange too.
  public var tls: Duration
  /// From the connection's readiness to the first byte of the answer: sending, the server's thinking, the way back.
  public var firstByte: Duration
  /// The whole exchange.
  public var total: Duration

  /// Makes timings.
  public init(
    nameLookup: Duration = .zero, connect: Duration = .zero, tls: Duration = .zero, firstByte: Duration = .zero,
    total: Duration = .zero
  ) {
    self.nameLookup = nameLookup
    self.connect = connect
    self.tls = tls
    self.firstByte = firstByte
    self.total = total
  }
}
