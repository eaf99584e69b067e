import Base
internal import CCurl
import Glibc

/// What is known of a transfer that failed, and what it means.
struct TransferDiagnosis {
  let code: CURLcode
  let easy: UnsafeMutableRawPointer
  let prepared: PreparedRequest
  /// The limit by which we ended the transfer ourselves.
  let exceeded: HTTPFailure.Reason?
  /// Whether a TLS handshake was begun.
  let hasBegunHandshake: Bool
  let bodyBytes: Int
  /// libcurl's own words.
  let text: String

  /// The failure to report.
  var failure: HTTPFailure {
    let place = prepared.endpoint.place
    if let exceeded { return excess(exceeded) }
    if connectCode >= 300 {
      return HTTPFailure(
        reason: .proxy, message: "the proxy refused to connect to \(place): it answered with status \(connectCode)")
    }
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST:
      return HTTPFailure(
        reason: .nameResolution,
        message:
          "the name \(prepared.endpoint.host) cannot be resolved (port \(prepared.endpoint.port) was to be asked)")
    case CURLE_COULDNT_RESOLVE_PROXY:
      return HTTPFailure(reason: .proxy, message: "the proxy's name cannot be resolved on the way to \(place)")
    case CURLE_PROXY:
      return HTTPFailure(reason: .proxy, message: "the proxy did not connect to \(place): \(words)")
    case CURLE_COULDNT_CONNECT: return connection
    case CURLE_OPERATION_TIMEDOUT: return timeout(stage)
    case CURLE_FILESIZE_EXCEEDED: return excess(.bodyTooLarge(limit: prepared.limits.bodyBytes))
    // A header line without end: libcurl's own limit comes before ours, which counts whole lines.
    case CURLE_OUT_OF_MEMORY where isReadingHeaders, tooLarge: return excess(.headersTooLarge)
    case CURLE_PARTIAL_FILE: return truncated
    case CURLE_GOT_NOTHING:
      return HTTPFailure(reason: .connectionFailed, message: "\(place) closed the connection without an answer")
    case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_FUNCTION_ARGUMENT, CURLE_BAD_CONTENT_ENCODING:
      return HTTPFailure(
        reason: .malformedResponse, message: "what \(place) sends is not a proper HTTP answer: \(words)")
    case CURLE_URL_MALFORMAT:
      return HTTPFailure(reason: .invalidURL, message: "the URL for \(place) cannot be used: \(words)")
    default: break
    }
    if let fault = TLSDiagnosis(self).failure { return fault }
    switch code {
    case CURLE_RECV_ERROR, CURLE_SEND_ERROR: return broken
    default: return HTTPFailure(reason: .other, message: "the request to \(place) failed: \(words)")
    }
  }

  /// libcurl's words, or its name for the code, as one line of printable ASCII: a part of them may come from the server.
  var words: String {
    let text = text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
    return Printable.escapedASCII(text.trimmingSpaces, to: 200)
  }

  /// The kernel's error number, 0 if there was none.
  var systemError: Int32 { Int32(truncatingIfNeeded: long(CURLINFO_OS_ERRNO)) }

  /// The result of the certificate check by OpenSSL's numbers (X509_V_ERR_...), 0 if it passed or did not happen.
  var verifyResult: Int { long(CURLINFO_SSL_VERIFYRESULT) }

  /// What the proxy answered to CONNECT, 0 if nothing.
  private var connectCode: Int { long(CURLINFO_HTTP_CONNECTCODE) }

  /// CURLE_TOO_LARGE, which is newer than Debian 12's headers.
  private var tooLarge: CURLcode { CURLcode(rawValue: 100) }

  private var isReadingHeaders: Bool { bodyBytes == 0 && offset(CURLINFO_STARTTRANSFER_TIME_T) > 0 }

  /// Whether the TLS handshake is over.
  var isHandshakeDone: Bool { offset(CURLINFO_APPCONNECT_TIME_T) > 0 }

  /// How far the transfer came.
  ///
  /// The times of the connection and of the handshake are 0 for a connection that is used again. The time at which the
  /// request could be sent is not.
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
    // The environment's proxy. Without one, the handshake begins as soon as the connection to the URL's port stands.
    let port = long(CURLINFO_PRIMARY_PORT)
    return port != 0 && (!hasBegunHandshake || port != prepared.endpoint.port)
  }

  private func timeout(_ stage: HTTPFailure.Stage) -> HTTPFailure {
    let place = prepared.endpoint.place
    let what =
      switch stage {
      case .nameLookup:
        "looking up the name \(prepared.endpoint.host) took too long (port \(prepared.endpoint.port) was to be asked)"
      case .proxy: "the proxy on the way to \(place) did not connect to it in time"
      case .connect: "connecting to \(place) took too long"
      case .tls: "the TLS handshake with \(place) took too long"
      case .response: "\(place) did not answer in time"
      case .body: "\(place) did not finish its answer in time (\(bodyBytes) bytes of content had come)"
      }
    let seconds = offset(CURLINFO_TOTAL_TIME_T) / 1_000_000
    let tenths = offset(CURLINFO_TOTAL_TIME_T) / 100_000 % 10
    return HTTPFailure(reason: .timeout(stage: stage), message: "\(what): given up after \(seconds).\(tenths) s")
  }

  /// A connection that could not be made.
  private var connection: HTTPFailure {
    let place = prepared.endpoint.place
    // libcurl names whom it tried to reach. If that is not the server, it is a proxy.
    let target = "Failed to connect to \(prepared.endpoint.host) port \(prepared.endpoint.port) "
    if text.hasPrefix("Failed to connect to "), !text.lowercased().hasPrefix(target.lowercased()) {
      return HTTPFailure(reason: .proxy, message: "the proxy on the way to \(place) cannot be reached: \(systemWords)")
    }
    switch systemError {
    case ECONNREFUSED:
      return HTTPFailure(
        reason: .connectionRefused, message: "\(place)\(address) refused the connection: nothing listens there")
    case ETIMEDOUT: return timeout(.connect)
    default:
      return HTTPFailure(reason: .connectionFailed, message: "cannot connect to \(place)\(address): \(systemWords)")
    }
  }

  /// A connection that broke.
  private var broken: HTTPFailure {
    let place = prepared.endpoint.place
    if text.contains("chunk") || text.contains("hexadecimal") {
      return HTTPFailure(
        reason: .malformedResponse, message: "what \(place) sends is not a proper HTTP answer: \(words)")
    }
    if bodyBytes > 0 { return truncated }
    return HTTPFailure(
      reason: .connectionFailed,
      message: "the connection to \(place)\(address) broke before the answer was there: \(systemWords)")
  }

  private var truncated: HTTPFailure {
    HTTPFailure(
      reason: .truncatedBody,
      message:
        "\(prepared.endpoint.place) ended the connection in the middle of its answer, after \(bodyBytes) bytes of content"
    )
  }

  private func excess(_ reason: HTTPFailure.Reason) -> HTTPFailure {
    let what =
      if case .bodyTooLarge(let limit) = reason { "content of more than \(limit) bytes" } else {
        "more than \(prepared.limits.headerBytes) bytes of header fields"
      }
    return HTTPFailure(reason: reason, message: "\(prepared.endpoint.place) sends \(what): its answer is not taken")
  }

  /// The address that was talked to, in parentheses, unless the host is one itself.
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
