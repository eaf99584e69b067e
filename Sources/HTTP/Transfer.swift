internal import CCurl
import Glibc

/// One exchange on its way: a libcurl handle, and what has come so far. Lives on the loop's thread only.
///
/// libcurl's callbacks get the address of this object; the loop holds it for as long as its handle is with the multi handle.
final class Transfer {
  /// libcurl's handle.
  let easy: UnsafeMutableRawPointer
  let prepared: PreparedRequest
  private let id: UInt64
  private let completion: TransferLoop.Completion
  private let errorBuffer: UnsafeMutablePointer<CChar>
  private let headerLines: HeaderLines
  private var body: [UInt8] = []
  private var headerBytes = 0
  /// Whether the empty line that ends the header fields has come.
  private var isHeaderComplete = false
  /// Whether there is a connection over which a TLS handshake could begin.
  private var hasBegunHandshake = false
  private var tlsVersion: String?
  /// Which limit made a callback end the transfer.
  private var exceeded: HTTPFailure.Reason?

  init(_ prepared: PreparedRequest, id: UInt64, completion: @escaping TransferLoop.Completion) throws(HTTPFailure) {
    guard let easy = curl_easy_init() else { throw HTTPFailure(reason: .other, message: "libcurl has no memory") }
    self.easy = easy
    self.prepared = prepared
    self.id = id
    self.completion = completion
    errorBuffer = .allocate(capacity: Int(CURL_ERROR_SIZE))
    errorBuffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    headerLines = HeaderLines(prepared)
    var options = TransferOptions(easy)
    options.apply(prepared, headerLines: headerLines.list)
    options.set(CURLOPT_ERRORBUFFER, errorBuffer)
    let context = Unmanaged.passUnretained(self).toOpaque()
    options.set(CURLOPT_PRIVATE, context)
    options.set(CURLOPT_WRITEDATA, context)
    options.set(CURLOPT_WRITEFUNCTION) { bytes, _, count, context in
      guard let bytes, let context else { return 0 }
      return Transfer.at(context).takeBody(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }
    options.set(CURLOPT_HEADERDATA, context)
    options.set(CURLOPT_HEADERFUNCTION) { bytes, _, count, context in
      guard let bytes, let context else { return 0 }
      return Transfer.at(context).takeHeader(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }
    // libcurl reports the time of the connection only once TLS stands too.
    options.set(CURLOPT_SSL_CTX_DATA, context)
    options.set(tls: CURLOPT_SSL_CTX_FUNCTION) { _, _, context in
      if let context { Transfer.at(context).hasBegunHandshake = true }
      return CURLE_OK
    }
    try options.check(prepared.endpoint)
  }

  deinit {
    curl_easy_cleanup(easy)
    errorBuffer.deallocate()
  }

  /// The number of the transfer that `easy` belongs to.
  static func id(of easy: UnsafeMutableRawPointer) -> UInt64 {
    var context: UnsafePointer<CChar>?
    ccurl_get_string(easy, CURLINFO_PRIVATE, &context)
    guard let context else { return 0 }
    return at(UnsafeMutableRawPointer(mutating: context)).id
  }

  private static func at(_ context: UnsafeMutableRawPointer) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  }

  private func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
    headerBytes += line.count
    if line.starts(with: "HTTP/".utf8) { isHeaderComplete = false }
    if line.allSatisfy({ $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }) { isHeaderComplete = true }
    if headerBytes > prepared.limits.headerBytes {
      exceeded = .headersTooLarge
      return false
    }
    if prepared.request.collectsCertificates, tlsVersion == nil, let version = ccurl_tls_version(easy) {
      tlsVersion = String(cString: version)
    }
    return true
  }

  private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard body.count + bytes.count <= prepared.limits.bodyBytes else {
      exceeded = .bodyTooLarge(limit: prepared.limits.bodyBytes)
      return false
    }
    if body.isEmpty {
      // One allocation instead of a trail of copies of what may be a token.
      let announced = info(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T)
      body.reserveCapacity(announced > 0 ? min(Int(announced), prepared.limits.bodyBytes) : bytes.count)
    }
    body.append(contentsOf: bytes)
    return true
  }

  /// Reports the end of the transfer, which libcurl does not know any more.
  func finish(_ code: CURLcode = CURLE_OK, cancelled: Bool = false) {
    if cancelled {
      completion(.failure(prepared.cancellation))
    } else if code == CURLE_OK, isHeaderComplete {
      completion(.success(response()))
    } else {
      // libcurl takes header fields that just stop for an answer without content.
      let code = code == CURLE_OK ? CURLE_PARTIAL_FILE : code
      let diagnosis = TransferDiagnosis(
        code: code, easy: easy, prepared: prepared, exceeded: exceeded, hasBegunHandshake: hasBegunHandshake,
        bodyBytes: body.count,
        text: String(cString: errorBuffer))
      completion(.failure(diagnosis.failure))
    }
  }

  private func response() -> HTTPResponse {
    var status = 0
    ccurl_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
    var address: UnsafePointer<CChar>?
    ccurl_get_string(easy, CURLINFO_PRIMARY_IP, &address)
    let remoteAddress = address.map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    return HTTPResponse(
      status: status, headers: responseHeaders(), body: body, timings: timings(), remoteAddress: remoteAddress,
      certificates: prepared.request.collectsCertificates ? CertificateSummary.chain(of: easy) : [],
      tlsVersion: tlsVersion)
  }

  /// The fields of the final response: libcurl keeps them apart from interim ones, trailers and those of a proxy.
  private func responseHeaders() -> HTTPHeaders {
    var fields: [HTTPHeader] = []
    var previous: UnsafeMutablePointer<curl_header>?
    while let header = curl_easy_nextheader(easy, UInt32(CURLH_HEADER), -1, previous) {
      // libcurl leaves the end of the line in an empty value.
      let value = String(cString: header.pointee.value).drop { $0.isWhitespace }
      fields.append(HTTPHeader(String(cString: header.pointee.name), String(value)))
      previous = header
    }
    return HTTPHeaders(fields)
  }

  private func timings() -> HTTPTimings {
    func phase(_ end: CURLINFO, since start: curl_off_t) -> Duration { .microseconds(max(0, info(end) - start)) }
    let nameLookup = info(CURLINFO_NAMELOOKUP_TIME_T)
    let connect = info(CURLINFO_CONNECT_TIME_T)
    let handshake = info(CURLINFO_APPCONNECT_TIME_T)
    return HTTPTimings(
      nameLookup: .microseconds(nameLookup), connect: phase(CURLINFO_CONNECT_TIME_T, since: nameLookup),
      tls: handshake > 0 ? phase(CURLINFO_APPCONNECT_TIME_T, since: connect) : .zero,
      firstByte: phase(CURLINFO_STARTTRANSFER_TIME_T, since: max(connect, handshake)),
      total: .microseconds(info(CURLINFO_TOTAL_TIME_T)))
  }

  private func info(_ info: CURLINFO) -> curl_off_t {
    var value: curl_off_t = 0
    ccurl_get_offset(easy, info, &value)
    return value
  }
}
