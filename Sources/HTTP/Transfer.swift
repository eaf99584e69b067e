import Base
internal import CCurl
import Glibc

/// One exchange that is under way: a libcurl handle and the received bytes. Only the loop's thread uses it.
///
/// libcurl's callbacks get the address of this object. The loop holds the object while its handle is in the multi
/// handle.
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
  private var headers = ResponseHeaderLines()
  /// Whether a connection exists on which a TLS handshake can begin.
  private var hasBegunHandshake = false
  private var tlsVersion: String?
  /// Why a callback ended the transfer: a limit, or a line that is not HTTP.
  private var exceeded: HTTPFailure.Reason?
  /// Whether a callback ended the transfer because the content is not wanted.
  private var hasDiscardedBody = false

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
    // libcurl reports the time of the connection only after the TLS handshake.
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

  /// The identifier of the transfer that `easy` belongs to.
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
    if headerBytes > prepared.limits.headerBytes {
      exceeded = .headersTooLarge
      return false
    }
    guard headers.take(line, endsFinalResponse: isFinalResponse) else {
      exceeded = .malformedResponse
      return false
    }
    if prepared.request.collectsCertificates, tlsVersion == nil, let version = ccurl_tls_version(easy) {
      tlsVersion = String(cString: version)
    }
    if prepared.request.discardsBody, headers.isComplete, isFinalResponse {
      hasDiscardedBody = true
      return false
    }
    return true
  }

  /// Whether the server's final response has begun. libcurl stores the status of a proxy's response to CONNECT
  /// separately.
  private var isFinalResponse: Bool {
    var status = 0
    ccurl_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
    return status >= 200
  }

  private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard !prepared.request.discardsBody else {
      hasDiscardedBody = true
      return false
    }
    guard body.count + bytes.count <= prepared.limits.bodyBytes else {
      exceeded = .bodyTooLarge(limit: prepared.limits.bodyBytes)
      return false
    }
    if body.isEmpty {
      // One allocation, so that no copies of a token remain in memory.
      let announced = info(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T)
      body.reserveCapacity(announced > 0 ? min(Int(announced), prepared.limits.bodyBytes) : bytes.count)
    }
    body.append(contentsOf: bytes)
    return true
  }

  /// Completes the transfer. Its handle must not be in the multi handle any more.
  func finish(_ code: CURLcode = CURLE_OK, cancelled: Bool = false) {
    if cancelled {
      completion(.failure(prepared.cancellation))
    } else if headers.isComplete, code == CURLE_OK || (hasDiscardedBody && code == CURLE_WRITE_ERROR) {
      completion(.success(response()))
    } else {
      // If the connection ends within the header fields, libcurl reports a response without content.
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
      status: status, headers: HTTPHeaders(headers.fields), body: body, timings: timings(),
      remoteAddress: remoteAddress,
      certificates: prepared.request.collectsCertificates ? CertificateSummary.chain(of: easy) : [],
      tlsVersion: tlsVersion)
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

/// The options of one transfer. It stores the first option that libcurl refused, because a transfer must not start
/// without that option. An example is the certificate check.
struct TransferOptions {
  private let easy: UnsafeMutableRawPointer
  private var refusal: (option: CURLoption, code: CURLcode)?

  init(_ easy: UnsafeMutableRawPointer) {
    self.easy = easy
  }

  /// - Throws: `HTTPFailure` if libcurl refused any option so far.
  func check(_ endpoint: Endpoint) throws(HTTPFailure) {
    guard let refusal else { return }
    let name = curl_easy_option_by_id(refusal.option).map { String(cString: $0.pointee.name) } ?? "?"
    let why = String(cString: curl_easy_strerror(refusal.code))
    throw HTTPFailure(
      reason: .other, message: "request to \(endpoint.place) failed: libcurl rejects \(name): \(why)")
  }

  /// Sets all options except the callbacks. The body, the client's key and `headerLines` must outlive the handle.
  mutating func apply(_ prepared: PreparedRequest, headerLines: UnsafeMutablePointer<curl_slist>?) {
    setRequest(prepared, headerLines: headerLines)
    setBounds(prepared)
    if prepared.endpoint.isSecure { setTLS(prepared) }
    if let proxy = prepared.proxy { set(CURLOPT_PROXY, proxy) }
    if case .url = prepared.request.transport.proxy { set(CURLOPT_NOPROXY, "") }
  }

  private mutating func setRequest(_ prepared: PreparedRequest, headerLines: UnsafeMutablePointer<curl_slist>?) {
    let request = prepared.request
    set(CURLOPT_URL, prepared.endpoint.url)
    set(CURLOPT_PATH_AS_IS, 1)
    set(CURLOPT_PROTOCOLS, Int(prepared.endpoint.isSecure ? CURLPROTO_HTTPS : CURLPROTO_HTTP))
    set(CURLOPT_REDIR_PROTOCOLS, Int(CURLPROTO_HTTPS))
    set(CURLOPT_FOLLOWLOCATION, 0)
    set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    set(CURLOPT_USERAGENT, prepared.userAgent)
    set(CURLOPT_HTTPHEADER, headerLines)
    // The server gets these header lines, a proxy does not.
    set(CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
    if request.method == .post {
      set(CURLOPT_POST, 1)
      set(CURLOPT_POSTFIELDSIZE_LARGE, offset: curl_off_t(request.body?.count ?? 0))
      // Not copied: the bytes of a Secret do not move, and the transfer holds it until libcurl has finished.
      if let bytes = request.body?.withBytes({ UnsafeMutableRawPointer(mutating: $0.baseAddress) }) {
        set(CURLOPT_POSTFIELDS, bytes)
      } else {
        set(CURLOPT_POSTFIELDS, "")
      }
    }
  }

  private mutating func setBounds(_ prepared: PreparedRequest) {
    let timeout = prepared.request.timeout.wholeMilliseconds
    set(CURLOPT_TIMEOUT_MS, timeout)
    set(CURLOPT_CONNECTTIMEOUT_MS, min(timeout, prepared.request.connectTimeout.wholeMilliseconds))
    if !prepared.request.discardsBody {
      set(CURLOPT_MAXFILESIZE_LARGE, offset: curl_off_t(prepared.limits.bodyBytes))
    }
    set(CURLOPT_NOSIGNAL, 1)
    // The end of a transfer does not wait for a name server. libcurl before 7.87 always waits.
    setIfKnown(CURLOPT_QUICK_EXIT, 1)
    set(CURLOPT_TCP_NODELAY, 1)
    set(CURLOPT_DNS_CACHE_TIMEOUT, 5)
    if prepared.request.collectsCertificates {
      set(CURLOPT_CERTINFO, 1)
      set(CURLOPT_FRESH_CONNECT, 1)
    }
  }

  private mutating func setTLS(_ prepared: PreparedRequest) {
    set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    set(CURLOPT_SSL_VERIFYPEER, 1)
    set(CURLOPT_SSL_VERIFYHOST, 2)
    // Without a shared cache, stored sessions are not used.
    set(CURLOPT_SSL_SESSIONID_CACHE, 0)
    if let authorities = prepared.files.authorities {
      // Otherwise libcurl would trust the system's CA certificates too.
      set(CURLOPT_CAINFO, authorities.file)
      set(CURLOPT_CAPATH, authorities.directory)
      // libcurl before 7.87 keeps no CA certificates for later connections.
      setIfKnown(CURLOPT_CA_CACHE_TIMEOUT, 0)
    } else {
      prepared.authorities.apply(prepared.authoritiesPart, to: &self)
    }
    if let certificate = prepared.files.certificate, let key = prepared.files.key {
      certificate.withBytes { set(CURLOPT_SSLCERT_BLOB, blob: $0, copies: true) }
      // Not copied, so that it is wiped. The transfer holds the Secret until libcurl has finished.
      key.withBytes { set(CURLOPT_SSLKEY_BLOB, blob: $0, copies: false) }
      // Otherwise OpenSSL reads the passphrase of an encrypted key from the terminal.
      set(CURLOPT_KEYPASSWD, "")
    }
    if let pin = prepared.request.transport.pinnedPublicKey { set(CURLOPT_PINNEDPUBLICKEY, pin) }
  }

  mutating func set(_ option: CURLoption, _ value: Int) {
    note(ccurl_set_long(easy, option, value), option)
  }

  /// Sets an option that older versions of libcurl lack and do not need.
  private mutating func setIfKnown(_ option: CURLoption, _ value: Int) {
    let code = ccurl_set_long(easy, option, value)
    if code != CURLE_UNKNOWN_OPTION { note(code, option) }
  }

  mutating func set(_ option: CURLoption, offset value: curl_off_t) {
    note(ccurl_set_offset(easy, option, value), option)
  }

  mutating func set(_ option: CURLoption, _ value: String) {
    note(ccurl_set_string(easy, option, value), option)
  }

  mutating func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer?) {
    note(ccurl_set_pointer(easy, option, value), option)
  }

  mutating func set(_ option: CURLoption, _ function: curl_write_callback) {
    note(ccurl_set_write_function(easy, option, function), option)
  }

  mutating func set(tls option: CURLoption, _ function: curl_ssl_ctx_callback) {
    note(ccurl_set_tls_function(easy, option, function), option)
  }

  private mutating func set(_ option: CURLoption, blob bytes: UnsafeRawBufferPointer, copies: Bool) {
    note(ccurl_set_blob(easy, option, bytes.baseAddress, bytes.count, copies ? 1 : 0), option)
  }

  mutating func setNull(_ option: CURLoption) {
    note(ccurl_set_string(easy, option, nil), option)
  }

  private mutating func note(_ code: CURLcode, _ option: CURLoption) {
    if code != CURLE_OK, refusal == nil { refusal = (option, code) }
  }
}

/// The request's header lines for libcurl. They are overwritten at the end, since one can be an `Authorization`.
/// libcurl's own copy in the sent request is freed but not overwritten.
final class HeaderLines {
  /// The first line. Valid during this object's life.
  private(set) var list: UnsafeMutablePointer<curl_slist>?

  init(_ prepared: PreparedRequest) {
    let request = prepared.request
    // A name with an empty value makes libcurl omit the field.
    append("Expect:")
    let names = Set(request.headers.map { $0.name.lowercased() })
    if !names.contains("accept") { append("Accept: application/json") }
    if !names.contains("accept-encoding") { append("Accept-Encoding: identity") }
    if request.method == .post, !names.contains("content-type") { append("Content-Type: \(request.contentType)") }
    for header in request.headers {
      // A semicolon makes libcurl send the field without a value.
      append(header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
    }
    if let authorization = request.authorization { append("Authorization: ", authorization) }
  }

  deinit {
    var line = list
    while let current = line {
      if let data = current.pointee.data { Secret.overwrite(.init(start: data, count: strlen(data))) }
      line = current.pointee.next
    }
    curl_slist_free_all(list)
  }

  private func append(_ line: String) {
    list = curl_slist_append(list, line)
  }

  private func append(_ prefix: String, _ value: Secret) {
    // libcurl copies a text that ends with a zero.
    let line = Secret(capacity: prefix.utf8.count + value.count + 1) { line, _ in
      line.copyBytes(from: prefix.utf8)
      value.withBytes { UnsafeMutableRawBufferPointer(rebasing: line[prefix.utf8.count...]).copyBytes(from: $0) }
    }
    list = line.withBytes { curl_slist_append(list, $0.baseAddress?.assumingMemoryBound(to: CChar.self)) }
  }
}
