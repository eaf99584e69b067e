import JWTKit
import KonexusSandbox
import Testing

@Suite("The sandbox answers as Konexus' servers do")
struct EndpointTests {
  @Test("the discovery document", arguments: ["", "/", "/tenant/a", "/tenant/a/"])
  func discovery(path: String) async throws {
    var options = SandboxOptions.quick
    options.issuerPath = path
    try await withSandbox(options) { sandbox, curl in
      #expect(sandbox.issuer == "https://localhost:\(sandbox.port)\(path)")
      let base = sandbox.issuer.hasSuffix("/") ? String(sandbox.issuer.dropLast()) : sandbox.issuer
      let answer = await curl(base + "/.well-known/openid-configuration")
      #expect(answer.status == 200)
      #expect(answer.headers["content-type"] == "application/json; charset=UTF-8")
      #expect(answer.json?["issuer"]?.string == sandbox.issuer)
      #expect(answer.json?["token_endpoint"]?.string == base + "/connect/token")
      #expect(answer.json?["jwks_uri"]?.string == base + "/.well-known/openid-configuration/jwks")
      let local = path.hasSuffix("/") ? String(path.dropLast()) : path
      let metadata = await curl(
        "https://localhost:\(sandbox.port)/.well-known/oauth-authorization-server\(local)")
      #expect(metadata.json == answer.json)
      #expect(await curl(base + "/.well-known/openid-configuration/jwks").status == 200)
    }
  }

  @Test("a token is as Konexus issues it")
  func token() async throws {
    var options = SandboxOptions()
    options.preparesNextKey = false
    try await withSandbox(options) { sandbox, curl in
      let answer = await curl.token(sandbox)
      #expect(answer.status == 200)
      #expect(answer.headers["cache-control"]?.contains("no-store") == true)
      #expect(answer.json?["expires_in"] == 3600)
      #expect(answer.json?["token_type"] == "Bearer")
      #expect(answer.json?["scope"] == "tamarack")
      let token = try #require(answer.json?["access_token"]?.string)
      let parts = token.split(separator: ".")
      let header = try JSON(parsing: #require(base64URL(parts[0])))
      let claims = try JSON(parsing: #require(base64URL(parts[1])))
      #expect(try #require(base64URL(parts[2])).count == 512)
      #expect(header["alg"] == "RS256")
      #expect(header["typ"] == "at+jwt")
      let keyID = try #require(header["kid"]?.string)
      #expect(keyID.count == 45 && keyID.hasSuffix("RS256"))
      #expect(keyID.dropLast(5).allSatisfy { "0123456789ABCDEF".contains($0) })
      #expect(claims["iss"]?.string == sandbox.issuer)
      #expect(claims["aud"] == "tamarack")
      #expect(claims["scope"] == ["tamarack"])
      #expect(claims["client_id"] == "ext-1741-sample-client")
      let issued = try #require(claims["iat"]?.integer)
      #expect(claims["nbf"]?.integer == issued)
      #expect(claims["exp"]?.integer == issued + 3600)
      for name in ["sub", "tenantId", "globalTenantId", "name", "admin", "jti"] {
        #expect(claims[name] != nil, "\(name)")
      }
      #expect(sandbox.issuedTokens == [token])
    }
  }

  @Test("another implementation verifies the token with the published keys", arguments: SigningAlgorithm.allCases)
  func verification(algorithm: SigningAlgorithm) async throws {
    var options = SandboxOptions.quick
    options.algorithm = algorithm
    options.keyBits = 2048
    options.preparesNextKey = false
    try await withSandbox(options) { sandbox, curl in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      let keys = JWTKeyCollection()
      try await keys.add(jwksJSON: await curl(sandbox.issuer + "/.well-known/openid-configuration/jwks").body)
      let payload = try await keys.verify(token, as: Payload.self)
      #expect(payload.iss.value == sandbox.issuer)
      let forged = String(token.dropLast(4)) + (token.hasSuffix("AAAA") ? "BBBB" : "AAAA")
      await #expect(throws: JWTError.self) { try await keys.verify(forged, as: Payload.self) }
    }
  }

  @Test("the API gives the envelope for a good token, 401 for none and for a bad one")
  func api() async throws {
    try await withSandbox { sandbox, curl in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      let good = await curl.subscriptions(sandbox, token: token)
      #expect(good.status == 200)
      #expect(good.json?["status"]?["isSuccess"] == true)
      #expect(good.json?["status"]?["errorCode"] == "None")
      #expect(good.json?["totalItemCount"]?.integer.map(Int.init) == good.json?["items"]?.array?.count)
      #expect(good.json?["hasErrors"] == false)
      let without = await curl("https://localhost:\(sandbox.port)/api/v2/settings/subscriptions")
      #expect(without.status == 401)
      #expect(without.headers["www-authenticate"] == "Bearer")
      #expect(without.json == ["error": "Unauthorized."])
      let bad = await curl.subscriptions(sandbox, token: token + "A")
      #expect(bad.status == 401)
      #expect(bad.headers["www-authenticate"] == "Bearer error=\"invalid_token\"")
      let counts = sandbox.counts
      #expect(counts.apiAccepted == 1 && counts.apiRefused == 2)
      #expect(counts.apiRefusals["noToken"] == 1)
    }
  }

  @Test("the token's end is kept to the second, by the API's own clock")
  func expiry() async throws {
    try await withSandbox { sandbox, curl in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await curl.subscriptions(sandbox, token: token).status == 200)
      sandbox.update { $0.clockSkew = 3600 }
      #expect(await curl.subscriptions(sandbox, token: token).status == 401)
      #expect(sandbox.counts.apiRefusals == ["expired": 1])
      sandbox.update { $0.clockSkew = -3600 }
      #expect(await curl.subscriptions(sandbox, token: token).status == 401)
      #expect(sandbox.counts.apiRefusals == ["expired": 1, "notYetValid": 1])
    }
  }

  private struct Payload: JWTPayload {
    var iss: IssuerClaim
    var exp: ExpirationClaim

    func verify(using algorithm: some JWTAlgorithm) throws { try exp.verifyNotExpired() }
  }
}

/// base64url, decoded without the sandbox's own code.
func base64URL(_ text: some StringProtocol) -> [UInt8]? {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
  var bits: UInt32 = 0
  var count = 0
  var bytes: [UInt8] = []
  for character in text {
    guard let value = alphabet.firstIndex(of: character) else { return nil }
    bits = bits << 6 | UInt32(value)
    count += 6
    if count >= 8 {
      count -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
    }
  }
  return bytes
}
