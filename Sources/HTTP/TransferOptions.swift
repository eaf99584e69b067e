internal import CCurl

/// Sets libcurl's options for one transfer, and remembers if it refused one: a transfer must not start without, say, its
/// certificate check.
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
      reason: .other, message: "the request to \(endpoint.place) cannot be made: libcurl refuses \(name): \(why)")
  }

  /// All options but the callbacks. What is pointed to must outlive the handle: the body, the client's key and `headerLines`.
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
    set(CURLOPT_PROTOCOLS_STR, prepared.endpoint.isSecure ? "https" : "http")
    set(CURLOPT_REDIR_PROTOCOLS_STR, "https")
    set(CURLOPT_FOLLOWLOCATION, 0)
    set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    set(CURLOPT_USERAGENT, prepared.userAgent)
    set(CURLOPT_HTTPHEADER, headerLines)
    // These are for the server; a proxy gets none of them.
    set(CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
    if request.method == .post {
      set(CURLOPT_POST, 1)
      set(CURLOPT_POSTFIELDSIZE_LARGE, offset: curl_off_t(request.body?.count ?? 0))
      // Not copied: the bytes of a Secret stay where they are while it lives, and the transfer holds it until libcurl is done.
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
    set(CURLOPT_MAXFILESIZE_LARGE, offset: curl_off_t(prepared.limits.bodyBytes))
    set(CURLOPT_NOSIGNAL, 1)
    // Ending a transfer does not wait for a name look-up that hangs.
    set(CURLOPT_QUICK_EXIT, 1)
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
    // Without a shared cache a session would be kept for nobody.
    set(CURLOPT_SSL_SESSIONID_CACHE, 0)
    if let authorities = prepared.files.authorities {
      authorities.withBytes { set(CURLOPT_CAINFO_BLOB, blob: $0, copies: true) }
      // Or else the system's authorities would be trusted besides.
      setNull(CURLOPT_CAINFO)
      setNull(CURLOPT_CAPATH)
      set(CURLOPT_CA_CACHE_TIMEOUT, 0)
    } else {
      prepared.authorities.apply(prepared.authoritiesPart, to: &self, easy)
    }
    if let certificate = prepared.files.certificate, let key = prepared.files.key {
      certificate.withBytes { set(CURLOPT_SSLCERT_BLOB, blob: $0, copies: true) }
      // Not copied, so that it is wiped: the transfer holds the Secret until libcurl is done.
      key.withBytes { set(CURLOPT_SSLKEY_BLOB, blob: $0, copies: false) }
      // OpenSSL would ask the terminal for the passphrase of an encrypted key.
      set(CURLOPT_KEYPASSWD, "")
    }
    if let pin = prepared.request.transport.pinnedPublicKey { set(CURLOPT_PINNEDPUBLICKEY, pin) }
  }

  mutating func set(_ option: CURLoption, _ value: Int) {
    note(ccurl_set_long(easy, option, value), option)
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
