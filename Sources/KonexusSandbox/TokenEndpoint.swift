/// The token endpoint for the client credentials grant (RFC 6749, sections 4.4 and 5).
struct TokenEndpoint {
  let state: ServerState

  func answer(_ request: Incoming, faults: [Fault.Kind]) async throws -> Answer {
    var answer = await exchange(request, faults: faults)
    if answer.refusal != nil { state.withContents { $0.counts.tokenRefusals += 1 } }
    if answer.headers.isEmpty { answer.headers = Answer.noStore }
    return answer
  }

  private func exchange(_ request: Incoming, faults: [Fault.Kind]) async -> Answer {
    guard request.method == "POST" else {
      return Answer(status: 405, headers: [("Allow", "POST")], refusal: "method \(request.method)")
    }
    guard let form = request.form else {
      return .oauthError("invalid_request", because: "the body is not form-encoded")
    }
    if let name = form.repeatedName, name != "resource" {
      return .oauthError("invalid_request", because: "\(name) comes twice")
    }
    let proven: ClientAuthentication.Proven
    do {
      proven = try ClientAuthentication(state: state).client(of: request, form: form)
    } catch {
      return error.answer
    }
    var answer = await grant(to: proven.client, form: form, faults: faults)
    answer.authentication = proven.method
    return answer
  }

  private func grant(to client: SandboxClient, form: FormBody, faults: [Fault.Kind]) async -> Answer {
    guard form["grant_type"] == "client_credentials" else {
      return .oauthError("unsupported_grant_type", because: "grant_type")
    }
    let asked = form["scope"]?.split(separator: " ").map(String.init) ?? Array(client.scopes.prefix(1))
    guard !asked.isEmpty, asked.allSatisfy(client.scopes.contains) else {
      return .oauthError(state.settings.invalidScopeCode, because: "scope")
    }
    do {
      var lifetime = state.settings.lifetime
      let token: String
      if let former = former(client) {
        token = former.text
        if state.settings.reissue == .countsDown { lifetime = former.left }
      } else {
        token = try await TokenMint(state: state).issue(
          to: client, scopes: asked, audiences: audiences(form), faults: faults)
      }
      return .json(
        [
          "access_token": .string(token), "expires_in": .integer(lifetime), "token_type": "Bearer",
          "scope": .string(asked.joined(separator: " ")),
        ], headers: Answer.noStore)
    } catch {
      return Answer(status: 500, content: .text("\(error)", type: "text/plain"), refusal: "the token could not be made")
    }
  }

  /// The client's last token if it must be returned again, and its remaining lifetime in seconds.
  private func former(_ client: SandboxClient) -> (text: String, left: Int64)? {
    guard state.settings.reissue != .never,
      let last = state.withContents({ $0.issued.last { $0.clientID == client.id } }),
      let end = last.claims["exp"]?.integer
    else { return nil }
    let left = Double(end) - state.now
    return left > 0 ? (last.text, Int64(left.rounded(.up))) : nil
  }

  /// The audience of the token. If the settings allow it, it is what the client requests by `resource` (RFC 8707) or
  /// `audience`.
  private func audiences(_ form: FormBody) -> [String] {
    let settings = state.settings
    let asked = form.values(of: "resource") + form.values(of: "audience")
    return settings.grantsAskedAudience && !asked.isEmpty ? asked : settings.audience
  }
}
