import Base
internal import CCurl
import Glibc

/// A failed transfer, and its meaning.
struct TransferDiagnosis {
  let code: CURLcode
  let easy: UnsafeMutableRawPointer
  let prepared: PreparedRequest
  /// Why this client ended the transfer.
  let exceeded: HTTPFailure.Reason?
  /// Whether a TLS handshake has begun.
  let hasBegunHandshake: Bool
  let bodyBytes: Int
  /// libcurl's error text.
  let text: String

  /// The failure to report.
  var failure: HTTPFailure {
    let place = prepared.endpoint.place
    if exceeded == .malformedResponse {
      return HTTPFailure(
        reason: .malformedResponse, message: "what \(place) sends is not a proper HTTP answer: a malformed header line")
    }
    if let exceeded { return excess(exceeded) }
    if connectCode >= 300 {
      return HTTPFailure(
        reason: .proxy, message: "connection to \(place) failed: the proxy answered with status \(connectCode)")
    }
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST:
      return HTTPFailure(
        reason: .nameResolution, message: "connection to \(place) failed: DNS resolution found no address")
    case CURLE_COULDNT_RESOLVE_PROXY:
      return HTTPFailure(
        reason: .proxy, message: "connection to \(place) failed: DNS resolution found no address of the proxy")
    case CURLE_PROXY:
      return HTTPFailure(reason: .proxy, message: "connection to \(place) failed at the proxy: \(words)")
    case CURLE_COULDNT_CONNECT: return connection
    case CURLE_OPERATION_TIMEDOUT: return timeout(stage)
    case CURLE_FILESIZE_EXCEEDED: return excess(.bodyTooLarge(limit: prepared.limits.bodyBytes))
    // A header line without an end reaches libcurl's own limit first, because the limit here counts whole lines.
    case CURLE_OUT_OF_MEMORY where isReadingHeaders, ccurl_too_large: return excess(.headersTooLarge)
    case CURLE_PARTIAL_FILE: return truncated
    case CURLE_GOT_NOTHING:
      return HTTPFailure(reason: .connectionFailed, message: "\(place) closed the connection without a response")
    case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_FUNCTION_ARGUMENT, CURLE_BAD_CONTENT_ENCODING:
      return HTTPFailure(
        reason: .malformedResponse, message: "malformed HTTP response from \(place): \(words)")
    case CURLE_URL_MALFORMAT:
      return HTTPFailure(reason: .invalidURL, message: "invalid URL for \(place): \(words)")
    default: break
    }
    if let fault = TLSDiagnosis(self).failure { return fault }
    switch code {
    case CURLE_RECV_ERROR, CURLE_SEND_ERROR: return broken
    default: return HTTPFailure(reason: .other, message: "request to \(place) failed: \(words)")
    }
  }

  /// libcurl's error text, or its text for the code, as one line of printable ASCII. Parts of it can come from the
  /// server.
  var words: String {
    let text = text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
    return Printable.escapedASCII(text.trimmingSpaces, to: 200)
  }

  /// The kernel's error number, 0 if there was none.
  var systemError: Int32 { Int32(truncatingIfNeeded: long(CURLINFO_OS_ERRNO)) }

  /// The result of the certificate check as OpenSSL's X509_V_ERR code, 0 if it passed or did not happen.
  var verifyResult: Int32 { Int32(truncatingIfNeeded: long(CURLINFO_SSL_VERIFYRESULT)) }

  /// The proxy's status for CONNECT, 0 if there is none.
  private var connectCode: Int { long(CURLINFO_HTTP_CONNECTCODE) }

  private var isReadingHeaders: Bool { bodyBytes == 0 && offset(CURLINFO_STARTTRANSFER_TIME_T) > 0 }

  /// Whether the TLS handshake is over.
  var isHandshakeDone: Bool { offset(CURLINFO_APPCONNECT_TIME_T) > 0 }

  /// The stage that the transfer has reached.
  ///
  /// The times of the connection and of the handshake are 0 for a reused connection. The time at which the request
  /// could be sent is not.
  private var stage: HTTPFailure.Stage {
    guard offset(CURLINFO_PRETRANSFER_TIME_T) == 0 else {
      let isInterim = (100..<200).contains(long(CURLINFO_RESPONSE_CODE))
      return offset(CURLINFO_STARTTRANSFER_TIME_T) == 0 || isInterim ? .response : .body
    }
    if waitsForProxy { return .proxy }
    if offset(CURLINFO_NAMELOOKUP_TIME_T) == 0 { return .nameLookup }
    return hasBegunHandshake ? .tls : .connect
  }

  /// Whether a proxy has not opened the tunnel to the server yet.
  private var waitsForProxy: Bool {
    let hasTunnel = connectCode != 0 && hasBegunHandshake
    guard prepared.endpoint.isSecure, !hasTunnel else { return false }
    if prepared.proxy?.isEmpty == false { return true }
    // Without a proxy in the environment, the handshake begins as soon as the URL's port is connected.
    let port = long(CURLINFO_PRIMARY_PORT)
    return port != 0 && (!hasBegunHandshake || port != prepared.endpoint.port)
  }

  private func timeout(_ stage: HTTPFailure.Stage) -> HTTPFailure {
    let place = prepared.endpoint.place
    let what =
      switch stage {
      case .nameLookup: "DNS resolution did not end"
      case .proxy: "the proxy did not connect"
      case .connect: "no connection"
      case .tls: "the TLS handshake did not end"
      case .response: "no response"
      case .body: "the response did not end, after \(bodyBytes) bytes of content"
      }
    // The preparation of the request takes a part of its time limit, mostly less than a millisecond.
    let tenths = (offset(CURLINFO_TOTAL_TIME_T) + 50_000) / 100_000
    return HTTPFailure(
      reason: .timeout(stage: stage),
      message: "request to \(place) timed out after \(tenths / 10).\(tenths % 10) s: \(what)")
  }

  /// The failure of a connection attempt.
  private var connection: HTTPFailure {
    let place = prepared.endpoint.place
    // libcurl names the host that it tried to reach. Another host than the server is a proxy.
    let target = "Failed to connect to \(prepared.endpoint.host) port \(prepared.endpoint.port)".lowercased()
    let text = text.lowercased()
    // After the port, libcurl 7.76 has a colon and newer versions have a space.
    let isServer = text.hasPrefix(target) && text.dropFirst(target.count).first.map { " :".contains($0) } != false
    if text.hasPrefix("failed to connect to "), !isServer {
      return HTTPFailure(reason: .proxy, message: "connection to \(place) failed at the proxy: \(systemWords)")
    }
    switch systemError {
    case ECONNREFUSED:
      return HTTPFailure(reason: .connectionRefused, message: "connection to \(place)\(address) refused")
    case ETIMEDOUT: return timeout(.connect)
    default:
      return HTTPFailure(reason: .connectionFailed, message: "connection to \(place)\(address) failed: \(systemWords)")
    }
  }

  /// The failure of a broken connection.
  private var broken: HTTPFailure {
    let place = prepared.endpoint.place
    if text.contains("chunk") || text.contains("hexadecimal") {
      return HTTPFailure(
        reason: .malformedResponse, message: "malformed HTTP response from \(place): \(words)")
    }
    if bodyBytes > 0 { return truncated }
    return HTTPFailure(
      reason: .connectionFailed,
      message: "connection to \(place)\(address) broke before the response: \(systemWords)")
  }

  private var truncated: HTTPFailure {
    HTTPFailure(
      reason: .truncatedBody,
      message:
        "incomplete response from \(prepared.endpoint.place): the connection ended after \(bodyBytes) bytes of content"
    )
  }

  private func excess(_ reason: HTTPFailure.Reason) -> HTTPFailure {
    if case .bodyTooLarge(let limit) = reason { return .bodyTooLarge(limit, at: prepared.endpoint) }
    return HTTPFailure(
      reason: reason,
      message: "response from \(prepared.endpoint.place) too large: more than \(prepared.limits.headerBytes) bytes of "
        + "header fields")
  }

  /// The remote address in parentheses, unless the host is an address itself.
  private var address: String {
    var value: UnsafePointer<CChar>?
    ccurl_get_string(easy, CURLINFO_PRIMARY_IP, &value)
    let address = value.map { String(cString: $0) } ?? ""
    return address.isEmpty || address == prepared.endpoint.host ? "" : " (\(address))"
  }

  private var systemWords: String {
    systemError == 0 ? words : SystemError.text(systemError)
  }

  private func long(_ info: CURLINFO) -> Int {
    var value = 0
    ccurl_get_long(easy, info, &value)
    return value
  }

  private func offset(_ info: CURLINFO) -> curl_off_t {
    var value: curl_off_t = 0
    ccurl_get_offset(easy, info, &value)
    return value
  }
}

extension String {
  /// Without white space at its ends.
  fileprivate var trimmingSpaces: String {
    String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}

/// The diagnosis of a TLS handshake. It uses libcurl's code and OpenSSL's verify result. If these do not decide, it
/// uses the error text.
struct TLSDiagnosis {
  private let transfer: TransferDiagnosis

  init(_ transfer: TransferDiagnosis) {
    self.transfer = transfer
  }

  private var place: String { transfer.prepared.endpoint.place }
  private var settings: TransportSettings { transfer.prepared.request.transport }

  /// The failure; nil if TLS was not the reason.
  var failure: HTTPFailure? {
    guard transfer.prepared.endpoint.isSecure else { return nil }
    switch transfer.code {
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR: return certificate
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return made(.pinMismatch, "certificate of \(place) rejected: its public key is not the pinned one")
    case CURLE_SSL_CACERT_BADFILE:
      return made(
        .caFileUnreadable,
        "the ca_file \(settings.caFile ?? "of the system") holds no certificate in PEM format")
    case CURLE_SSL_CERTPROBLEM:
      return made(
        .clientCertificateUnusable,
        "the client certificate \(settings.clientCertificateFile ?? "") or its key is unusable: \(transfer.words)")
    case CURLE_SSL_CLIENTCERT:
      return made(.clientCertificateRequired, "\(place) requires a client certificate")
    case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_USE_SSL_FAILED, CURLE_RECV_ERROR, CURLE_SEND_ERROR:
      return handshake
    default: return nil
    }
  }

  /// The failure of the certificate check.
  private var certificate: HTTPFailure {
    switch transfer.verifyResult {
    case X509_V_OK, X509_V_ERR_UNSPECIFIED, X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_EMAIL_MISMATCH,
      X509_V_ERR_IP_ADDRESS_MISMATCH:
      return made(.hostNameMismatch, "certificate of \(place) is for other names: \(transfer.words)")
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return made(.notYetValid, "certificate of \(place) rejected: it is not valid yet, or this host's clock is slow")
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return made(.expired, "certificate of \(place) rejected: it has expired, or this host's clock is fast")
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return made(.selfSigned, "certificate of \(place) rejected: it is self-signed and not in \(trusted)")
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
      X509_V_ERR_NO_ISSUER_PUBLIC_KEY, X509_V_ERR_CERT_UNTRUSTED:
      return made(.unknownAuthority, "certificate of \(place) rejected: its CA certificate is not in \(trusted)")
    default:
      return made(.other, "certificate of \(place) rejected: \(transfer.words)")
    }
  }

  private var trusted: String {
    settings.caFile ?? "the system's trust store"
  }

  /// Another failure of the handshake, or an alert after it. TLS 1.3 servers reject a client certificate only after the
  /// handshake.
  private var handshake: HTTPFailure? {
    let text = transfer.text
    func says(_ phrases: String...) -> Bool { phrases.contains { text.contains($0) } }
    if says(
      "alert certificate required", "alert bad certificate", "alert unknown ca", "alert certificate unknown",
      "alert certificate expired", "alert unsupported certificate", "alert certificate revoked")
    {
      let what =
        settings.clientCertificateFile.map { "rejected the client certificate \($0)" }
        ?? "requires a client certificate"
      return made(.clientCertificateRequired, "\(place) \(what)")
    }
    guard !transfer.isHandshakeDone else { return nil }
    if says("alert handshake failure") {
      // Before TLS 1.3, servers have no more exact alert for a missing client certificate.
      let hint =
        settings.clientCertificateFile == nil
        ? "it may require a client certificate" : "it may not accept the client certificate"
      return made(.other, "TLS handshake rejected by \(place): \(hint), or there is no common cipher")
    }
    if says("wrong version number", "packet length too long", "http request", "unknown protocol") {
      return made(.other, "TLS handshake with \(place) failed: the port does not use TLS")
    }
    if says("protocol version", "unsupported protocol") {
      return made(.protocolVersion, "TLS handshake with \(place) failed: the server supports no TLS 1.2 or newer")
    }
    if let cause = breakage {
      return HTTPFailure(
        reason: .connectionFailed,
        message: "TLS handshake with \(place) failed: the connection broke" + (cause.isEmpty ? "" : ": \(cause)"))
    }
    return made(.other, "TLS handshake with \(place) failed: \(transfer.words)")
  }

  /// The kernel's error that broke the connection, empty if it says nothing more. nil if the connection did not break.
  private var breakage: String? {
    let text = transfer.text
    // Without an error of OpenSSL, its text has the kernel's error and the connection, or the name of another cause.
    let isOfOpenSSL = ["SSL_ERROR_SSL", "SSL_ERROR_ZERO_RETURN"].contains { text.contains($0) }
    if let end = text.firstRange(of: " in connection to "), !isOfOpenSSL { return cause(text[..<end.lowerBound]) }
    if text.hasPrefix("Send failure: ") || text.hasPrefix("Recv failure: ") { return cause(text[...]) }
    // libcurl keeps its first text. It is that of ENOTCONN if the connection was reset before the handshake.
    let resets = [
      "unexpected eof", "SSL_ERROR_SYSCALL", "Connection reset", "Broken pipe",
      "getpeername() failed with errno \(ENOTCONN)",
    ]
    return resets.contains { text.contains($0) } || transfer.systemError == ECONNRESET ? "" : nil
  }

  /// The kernel's error at the end of `text`. It is empty for a reset, and if there is none.
  private func cause(_ text: Substring) -> String {
    let error = text.ranges(of: ": ").last.map { text[$0.upperBound...] } ?? text
    let saysNothing = ["Connection reset", "Broken pipe", "SSL_ERROR_"].contains { error.hasPrefix($0) }
    return saysNothing ? "" : Printable.escapedASCII(String(error), to: 100)
  }

  private func made(_ fault: HTTPFailure.TLSFault, _ message: String) -> HTTPFailure {
    HTTPFailure(reason: .tls(fault), message: message)
  }
}
