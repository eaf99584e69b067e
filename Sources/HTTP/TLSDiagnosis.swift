internal import CCurl
import Glibc

/// Tells the faults of a TLS handshake apart: by libcurl's code, OpenSSL's verify result and, where nothing else tells, its words.
struct TLSDiagnosis {
  private let transfer: TransferDiagnosis

  init(_ transfer: TransferDiagnosis) {
    self.transfer = transfer
  }

  private var place: String { transfer.prepared.endpoint.place }
  private var settings: TransportSettings { transfer.prepared.request.transport }

  /// The failure, or nil if it is none of TLS.
  var failure: HTTPFailure? {
    guard transfer.prepared.endpoint.isSecure else { return nil }
    switch transfer.code {
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR: return certificate
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return made(.pinMismatch, "the public key of \(place) is not the pinned one")
    case CURLE_SSL_CACERT_BADFILE:
      return made(
        .caFileUnreadable,
        "the ca_file \(settings.caFile ?? "of the system") holds no certificate that can be used (PEM is wanted)")
    case CURLE_SSL_CERTPROBLEM:
      return made(
        .clientCertificateUnusable,
        "the client certificate \(settings.clientCertificateFile ?? "") or its key cannot be used: \(transfer.words)")
    case CURLcode(rawValue: 98):  // CURLE_SSL_CLIENTCERT
      return made(.clientCertificateRequired, "\(place) wants a client certificate")
    case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_USE_SSL_FAILED, CURLE_RECV_ERROR, CURLE_SEND_ERROR:
      return handshake
    default: return nil
    }
  }

  /// A certificate that did not pass. The numbers are OpenSSL's, from x509_vfy.h.
  private var certificate: HTTPFailure {
    switch transfer.verifyResult {
    case 0, 1:
      return made(.hostNameMismatch, "the certificate of \(place) is for other names: \(transfer.words)")
    case 9:
      return made(.notYetValid, "the certificate of \(place) is not valid yet (or the clock of this host is slow)")
    case 10:
      return made(.expired, "the certificate of \(place) has expired (or the clock of this host is fast)")
    case 18:
      return made(.selfSigned, "the certificate of \(place) is self-signed and not among \(trusted)")
    case 2, 19, 20, 21, 24, 27:
      return made(.unknownAuthority, "the certificate of \(place) comes from an authority that is not among \(trusted)")
    case 62, 63, 64:
      return made(.hostNameMismatch, "the certificate of \(place) is for other names: \(transfer.words)")
    default:
      return made(.other, "the certificate of \(place) is not accepted: \(transfer.words)")
    }
  }

  private var trusted: String {
    settings.caFile.map { "those in \($0)" } ?? "those that this system trusts (set ca_file for a private one)"
  }

  /// A handshake that ended otherwise, or an alert after it: TLS 1.3 servers refuse a client certificate only then.
  private var handshake: HTTPFailure? {
    let text = transfer.text
    func says(_ phrases: String...) -> Bool { phrases.contains { text.contains($0) } }
    if says(
      "alert certificate required", "alert bad certificate", "alert unknown ca", "alert certificate unknown",
      "alert certificate expired", "alert unsupported certificate", "alert certificate revoked")
    {
      let what =
        settings.clientCertificateFile.map { "does not accept the client certificate \($0)" }
        ?? "wants a client certificate"
      return made(.clientCertificateRequired, "\(place) \(what)")
    }
    guard !transfer.isHandshakeDone else { return nil }
    if says("alert handshake failure") {
      // Before TLS 1.3 a server that misses a client certificate has no more exact word for it.
      let hint =
        settings.clientCertificateFile == nil
        ? "it may want a client certificate" : "it may not accept the client certificate"
      return made(.other, "\(place) refused the TLS handshake: \(hint), or there is no cipher that both know")
    }
    if says("wrong version number", "packet length too long", "http request", "unknown protocol") {
      return made(.other, "\(place) does not speak TLS: is it an http port?")
    }
    if says("protocol version", "unsupported protocol") {
      return made(.protocolVersion, "\(place) offers no TLS 1.2 or newer")
    }
    if transfer.systemError == ECONNRESET
      || says("unexpected eof", "SSL_ERROR_SYSCALL", "Connection reset", "Broken pipe")
    {
      return HTTPFailure(reason: .connectionFailed, message: "\(place) broke the connection during the TLS handshake")
    }
    return made(.other, "the TLS handshake with \(place) failed: \(transfer.words)")
  }

  private func made(_ fault: HTTPFailure.TLSFault, _ message: String) -> HTTPFailure {
    HTTPFailure(reason: .tls(fault), message: message)
  }
}
