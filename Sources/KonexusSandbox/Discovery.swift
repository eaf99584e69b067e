/// The discovery document (OpenID Connect Discovery 1.0; RFC 8414) and the key set (RFC 7517).
struct Discovery {
  let state: ServerState

  private var base: String { Self.base(of: state.issuer) }

  /// The issuer without a slash at its end. The endpoints' paths are appended to it.
  private static func base(of issuer: String) -> String { issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer }

  /// The addresses by which the token endpoint can be called.
  var tokenEndpoints: [String] {
    ([state.issuer] + [state.mutualTLSIssuer].compactMap(\.self)).map { Self.base(of: $0) + state.settings.tokenPath }
  }

  func document() -> Answer {
    let settings = state.settings
    let clients = state.withContents(\.clients)
    var scopes: [String] = []
    for scope in clients.flatMap(\.scopes) where !scopes.contains(scope) { scopes.append(scope) }
    var methods = ["client_secret_basic", "client_secret_post"]
    if clients.contains(where: { !$0.publicKeys.isEmpty }) { methods.append("private_key_jwt") }
    if clients.contains(where: { $0.certificateName != nil }) { methods.append("tls_client_auth") }
    if clients.contains(where: { !$0.certificates.isEmpty }) { methods.append("self_signed_tls_client_auth") }
    methods = settings.advertisedAuthenticationMethods ?? methods
    var document: JSON = [
      "issuer": .string(state.issuer),
      "jwks_uri": .string(base + settings.keySetPath),
      "authorization_endpoint": .string(base + "/connect/authorize"),
      "token_endpoint": .string(base + settings.tokenPath),
      "revocation_endpoint": .string(base + "/connect/revocation"),
      "introspection_endpoint": .string(base + settings.introspectionPath),
      "scopes_supported": .array(scopes.map { .string($0) }),
      "claims_supported": ["sub", "name", "tenantId", "globalTenantId", "admin"],
      "grant_types_supported": ["client_credentials"],
      "response_types_supported": ["code"],
      "response_modes_supported": ["form_post", "query", "fragment"],
      "token_endpoint_auth_methods_supported": .array(methods.map { .string($0) }),
      "id_token_signing_alg_values_supported": [.string(state.keys.current.algorithm.rawValue)],
      "subject_types_supported": ["public"],
      "code_challenge_methods_supported": ["plain", "S256"],
    ]
    if methods.contains("private_key_jwt") {
      document["token_endpoint_auth_signing_alg_values_supported"] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
    }
    if let aliases = state.mutualTLSIssuer.map(Self.base(of:)) {
      document["mtls_endpoint_aliases"] = [
        "token_endpoint": .string(aliases + settings.tokenPath),
        "revocation_endpoint": .string(aliases + "/connect/revocation"),
        "introspection_endpoint": .string(aliases + settings.introspectionPath),
      ]
    }
    if let issuer = settings.accessTokenIssuer { document["access_token_issuer"] = .string(issuer) }
    document.remove(settings.hiddenMetadata)
    return .json(document, headers: caching(settings.discoveryCacheControl))
  }

  /// The key set, or 304 if the request has the `ETag` of the present one.
  func keySet(_ request: Incoming) async throws -> Answer {
    let settings = state.settings
    var keys = state.keys.published
    if settings.alternatesKeySets, state.withContents({ $0.counts[.jwks] }).isMultiple(of: 2) {
      keys = [try await state.keys.unpublished()] + keys.dropFirst()
    }
    var headers = caching(settings.keySetCacheControl)
    if settings.keySetHasETag {
      let tag = "\"\(keys.map(\.keyID).joined(separator: "."))\""
      headers.append(("ETag", tag))
      if request.ifNoneMatch == tag { return Answer(status: 304, headers: headers) }
    }
    return .json(["keys": .array(keys.map(\.jwk))], headers: headers)
  }

  private func caching(_ control: String?) -> [(name: String, value: String)] {
    control.map { [("Cache-Control", $0)] } ?? []
  }
}
