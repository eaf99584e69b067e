/// Token introspection (RFC 7662) and revocation (RFC 7009).
struct TokenStatus {
  let state: ServerState

  func introspection(_ request: Incoming) -> Answer {
    switch asked(request) {
    case .failure(let refused): return refused.answer
    case .success(let (token, proven)):
      // IdentityServer answers 401 with an empty body to a client that is not an API.
      if let only = state.settings.introspectionClient, proven.client.id != only {
        return Answer(status: 401, refusal: "not the client that introspects")
      }
      var answer = Answer.json(report(on: token), headers: Answer.noStore)
      answer.authentication = proven.method
      return answer
    }
  }

  private func report(on token: String) -> JSON {
    guard var claims = try? TokenJudge(state: state).claims(of: token) else { return ["active": false] }
    claims["scope"] = .string(CompactJWT.scopes(of: claims).joined(separator: " "))
    claims["token_type"] = "Bearer"
    return .object([.init("active", true)] + (claims.members ?? []))
  }

  func revocation(_ request: Incoming) -> Answer {
    switch asked(request) {
    case .failure(let refused): return refused.answer
    case .success(let (token, proven)):
      state.withContents { contents in
        // An unknown token, or one of another client, is no error (RFC 7009, section 2.2).
        guard contents.issued.contains(where: { $0.text == token && $0.clientID == proven.client.id }) else { return }
        contents.revoked.insert(token)
      }
      var answer = Answer(headers: Answer.noStore)
      answer.authentication = proven.method
      return answer
    }
  }

  private func asked(_ request: Incoming) -> Result<(String, ClientAuthentication.Proven), ClientAuthentication.Refused>
  {
    guard request.method == "POST" else {
      return .failure(.init(answer: Answer(status: 405, headers: [("Allow", "POST")], refusal: "method")))
    }
    guard let form = request.form else {
      return .failure(.init(answer: .oauthError("invalid_request", because: "the body is not form-encoded")))
    }
    do {
      let proven = try ClientAuthentication(state: state).client(of: request, form: form)
      guard let token = form["token"] else {
        return .failure(.init(answer: .oauthError("invalid_request", because: "no token")))
      }
      return .success((token, proven))
    } catch {
      return .failure(error)
    }
  }
}
