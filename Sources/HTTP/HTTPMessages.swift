public import Base
internal import CCurl

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

/// One header field (RFC 9110 5).
public struct HTTPHeader: Hashable, Sendable {
  /// The field's name; case does not matter.
  public var name: String
  /// The field's value without surrounding white space.
  public var value: String

  /// Makes a field.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// A message's header fields in their order, looked up by name without regard to case.
public struct HTTPHeaders: Hashable, Sendable {
  /// All fields, in the order in which they came.
  public var fields: [HTTPHeader]

  /// Makes a list of fields.
  public init(_ fields: [HTTPHeader] = []) {
    self.fields = fields
  }

  /// The values of all fields of that name, in order; empty if there is none.
  public func values(for name: String) -> [String] {
    let name = name.lowercased()
    return fields.filter { $0.name.lowercased() == name }.map(\.value)
  }

  /// The value of the first field of that name.
  public subscript(name: String) -> String? {
    let name = name.lowercased()
    return fields.first { $0.name.lowercased() == name }?.value
  }
}

/// What a person wants to know of a certificate.
public struct CertificateSummary: Hashable, Sendable {
  /// Whose it is, such as `CN = auth.example.com`.
  public var subject: String
  /// Who signed it.
  public var issuer: String
  /// The first second of its validity, in Unix time; nil if the certificate does not tell it in a readable way.
  public var notBefore: Int64?
  /// The last second of its validity, in Unix time.
  public var notAfter: Int64?
  /// The names it is for: `DNS:auth.example.com`, `IP Address:127.0.0.1`.
  public var alternativeNames: [String]

  /// Makes a summary.
  public init(subject: String, issuer: String, notBefore: Int64?, notAfter: Int64?, alternativeNames: [String]) {
    self.subject = subject
    self.issuer = issuer
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.alternativeNames = alternativeNames
  }

  /// The certificates that the server of a finished transfer showed, its own first.
  static func chain(of easy: UnsafeMutableRawPointer) -> [CertificateSummary] {
    var information: UnsafeMutablePointer<curl_certinfo>?
    guard ccurl_get_certificates(easy, &information) == CURLE_OK, let information else { return [] }
    return (0..<Int(information.pointee.num_of_certs)).map { index in
      var lines: [String] = []
      var line = information.pointee.certinfo[index]
      while let current = line {
        lines.append(String(cString: current.pointee.data))
        line = current.pointee.next
      }
      return CertificateSummary(lines: lines)
    }
  }

  /// Reads libcurl's lines, `Name:value` each.
  init(lines: [String]) {
    func value(_ name: String) -> String? {
      lines.first { $0.hasPrefix("\(name):") }.map { String($0.dropFirst(name.utf8.count + 1)) }
    }
    subject = value("Subject") ?? ""
    issuer = value("Issuer") ?? ""
    notBefore = value("Start date").flatMap(HTTPDate.parse)
    notAfter = value("Expire date").flatMap(HTTPDate.parse)
    alternativeNames = (value("X509v3 Subject Alternative Name") ?? "").split(separator: ",").map { name in
      String(name.drop { $0 == " " })
    }
  }
}
