import FoundationEssentials
import SwiftASN1
import X509

/// The client authentication of a request to the token, introspection or revocation endpoint (RFC 6749, section 2.3).
struct ClientAuthentication {
  let state: ServerState

  /// Why the client authentication failed, and the answer to it.
  struct Refused: Error {
    var answer: Answer
  }

  /// A client, and its method of client authentication by the names of RFC 8414.
  struct Proven {
    var client: SandboxClient
    var method: String
  }

  /// Returns the client that authenticated itself.
  /// - Throws: `Refused`.
  func client(of request: Incoming, form: FormBody) throws(Refused) -> Proven {
    if let authorization = request.authorization {
      return Proven(client: try basic(authorization, form: form), method: "client_secret_basic")
    }
    if let assertion = form["client_assertion"] {
      let client = try assertionClient(assertion, type: form["client_assertion_type"], form: form)
      return Proven(client: client, method: "private_key_jwt")
    }
    guard let id = form["client_id"] else { throw refused("no client_id", isBasic: false) }
    if let secret = form["client_secret"] {
      return Proven(client: try check(id: id, secret: secret, isBasic: false), method: "client_secret_post")
    }
    if let certificate = request.certificate {
      return try certificateClient(id: id, certificate: certificate)
    }
    throw refused("no credentials", isBasic: false)
  }

  private func basic(_ authorization: String, form: FormBody) throws(Refused) -> SandboxClient {
    let parts = authorization.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "basic",
      let pair = Data(base64Encoded: String(parts[1])).map({ [UInt8]($0) }),
      let colon = pair.firstIndex(of: UInt8(ascii: ":"))
    else { throw refused("malformed Authorization", isBasic: true) }
    guard form["client_secret"] == nil else {
      throw Refused(answer: .oauthError("invalid_request", because: "two kinds of credentials"))
    }
    let (id, secret): (String?, String?)
    switch state.settings.basicEncoding {
    case .rfc6749: (id, secret) = (FormBody.decode(pair[..<colon]), FormBody.decode(pair[(colon + 1)...]))
    case .raw:
      (id, secret) = (
        String(validating: pair[..<colon], as: UTF8.self), String(validating: pair[(colon + 1)...], as: UTF8.self)
      )
    }
    guard let id, let secret else { throw refused("malformed Authorization", isBasic: true) }
    return try check(id: id, secret: secret, isBasic: true)
  }

  private func check(id: String, secret: String, isBasic: Bool) throws(Refused) -> SandboxClient {
    guard let client = registered(id) else { throw refused("unknown client", isBasic: isBasic) }
    guard client.secrets.contains(secret) else { throw refused("wrong secret", isBasic: isBasic) }
    return client
  }

  private func assertionClient(_ text: String, type: String?, form: FormBody) throws(Refused) -> SandboxClient {
    guard type == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" else {
      throw refused("client_assertion_type", isBasic: false)
    }
    do {
      return try ClientAssertion(state: state).client(of: text, clientID: form["client_id"])
    } catch {
      throw refused("client_assertion: \(error.reason)", isBasic: false)
    }
  }

  /// RFC 8705, section 2: a certificate of the sandbox's authority with the client's name, or the registered
  /// certificate.
  private func certificateClient(id: String, certificate der: [UInt8]) throws(Refused) -> Proven {
    guard let client = registered(id) else { throw refused("unknown client", isBasic: false) }
    let registered = client.certificates.compactMap { try? Certificate(pemEncoded: $0) }
    guard let certificate = try? Certificate(derEncoded: der) else { throw refused("certificate", isBasic: false) }
    if registered.contains(certificate) { return Proven(client: client, method: "self_signed_tls_client_auth") }
    if let name = client.certificateName, state.authority.vouches(for: certificate, name: name) {
      return Proven(client: client, method: "tls_client_auth")
    }
    throw refused("certificate", isBasic: false)
  }

  private func registered(_ id: String) -> SandboxClient? {
    state.withContents { $0.clients.first { $0.id == id } }
  }

  private func refused(_ reason: String, isBasic: Bool) -> Refused {
    var answer: Answer
    switch state.settings.refusal {
    case .identityServer: answer = .oauthError("invalid_client", status: isBasic ? 401 : 400, because: reason)
    case .unauthorized: answer = .oauthError("invalid_client", status: 401, because: reason)
    case .forbiddenEmpty: answer = Answer(status: 403, refusal: reason)
    }
    if answer.status == 401 { answer.headers.append(("WWW-Authenticate", "Basic realm=\"konexus-sandbox\"")) }
    return Refused(answer: answer)
  }
}
