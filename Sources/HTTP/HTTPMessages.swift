public import Base
internal import CCurl

/// An HTTP request.
///
/// Nothing secret is in `url` or `headers`. Secrets go into `authorization` and `body`.
public struct HTTPRequest: Sendable {
  /// The request method. OAuth needs these two.
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
  /// Further header fields. `Accept: application/json` and `Accept-Encoding: identity` are sent unless one of these
  /// replaces them.
  public var headers: [HTTPHeader]
  /// The whole value of the `Authorization` field, such as `Basic Zm9v...`.
  public var authorization: Secret?
  /// The content of a POST.
  public var body: Secret?
  /// The media type of `body`.
  public var contentType: String
  /// The limit for the whole exchange, from DNS to the last byte of the body.
  public var timeout: Duration
  /// The limit until the connection is established: DNS, TCP, proxy and TLS together. The default is half of `timeout`,
  /// but at least 15 s. The C library waits 5 s for a name server that does not answer, before it asks the second.
  public var connectTimeout: Duration
  /// The trust and the route of the connection.
  public var transport: TransportSettings
  /// Whether the response contains the server's certificates and the TLS version. This needs a new connection.
  public var collectsCertificates: Bool
  /// Whether the exchange ends after the header fields. The content is not read, and the connection is closed.
  public var discardsBody: Bool

  /// Makes a request. The defaults suit OAuth.
  public init(
    method: Method = .get, url: String, headers: [HTTPHeader] = [], authorization: Secret? = nil, body: Secret? = nil,
    contentType: String = "application/x-www-form-urlencoded", timeout: Duration = .seconds(10),
    connectTimeout: Duration? = nil, transport: TransportSettings = TransportSettings(),
    collectsCertificates: Bool = false, discardsBody: Bool = false
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
    self.discardsBody = discardsBody
  }
}

/// A complete response.
public struct HTTPResponse: Sendable {
  /// The status code (RFC 9110 15). Redirects are not followed.
  public var status: Int
  /// The header fields of the final response, without trailers and without those of a proxy.
  public var headers: HTTPHeaders
  /// The content, decoded, within the client's limit. Empty if the request discards it.
  public var body: [UInt8]
  /// The content coding of `body` if it could not be decoded, as the server names it (RFC 9110, 8.4). The name can also
  /// be wrong, and the content usable. Nil otherwise.
  public var undecodedCoding: String?
  /// The durations of the phases.
  public var timings: HTTPTimings
  /// The remote IP address, of the proxy if there is one; nil if unknown.
  public var remoteAddress: String?
  /// The server's certificate and those it sent along. Empty unless the request asked for them.
  public var certificates: [CertificateSummary]
  /// For example `TLSv1.3`. Nil unless the request asked for certificates.
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

/// The durations of an exchange's phases. A phase that did not happen has no duration, for example on a reused
/// connection.
public struct HTTPTimings: Hashable, Sendable {
  /// DNS resolution.
  public var nameLookup: Duration
  /// The TCP connection, after DNS resolution.
  public var connect: Duration
  /// The TLS handshake, after TCP. With a proxy, it includes the CONNECT exchange.
  public var tls: Duration
  /// From the end of the handshake to the first byte of the response.
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
  /// The field's name. Case does not matter.
  public var name: String
  /// The field's value without surrounding white space.
  public var value: String

  /// Makes a field.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// The header fields of a message in their order. Look-up by name ignores case.
public struct HTTPHeaders: Hashable, Sendable {
  /// All fields, in the order of arrival.
  public var fields: [HTTPHeader]

  /// Makes a list of fields.
  public init(_ fields: [HTTPHeader] = []) {
    self.fields = fields
  }

  /// The values of all fields of this name, in order. Empty if there is none.
  public func values(for name: String) -> [String] {
    let name = name.lowercased()
    return fields.filter { $0.name.lowercased() == name }.map(\.value)
  }

  /// The value of the first field of this name.
  public subscript(name: String) -> String? {
    let name = name.lowercased()
    return fields.first { $0.name.lowercased() == name }?.value
  }
}

/// The data of a certificate for a report.
public struct CertificateSummary: Hashable, Sendable {
  /// The subject, for example `CN = auth.example.com`.
  public var subject: String
  /// The issuer.
  public var issuer: String
  /// The first second of its validity, in Unix time; nil if the date is not readable.
  public var notBefore: Int64?
  /// The last second of its validity, in Unix time.
  public var notAfter: Int64?
  /// The subject alternative names, for example `DNS:auth.example.com`, `IP Address:127.0.0.1`.
  public var alternativeNames: [String]

  /// Makes a summary.
  public init(subject: String, issuer: String, notBefore: Int64?, notAfter: Int64?, alternativeNames: [String]) {
    self.subject = subject
    self.issuer = issuer
    self.notBefore = notBefore
    self.notAfter = notAfter
    self.alternativeNames = alternativeNames
  }

  /// The certificates from the server of a finished transfer, its own first.
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
