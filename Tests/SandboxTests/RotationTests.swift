import KonexusSandbox
import Testing

@Suite("Signing keys rotate")
struct RotationTests {
  @Test("an old token is accepted as long as its key is published")
  func rotation() async throws {
    try await withSandbox { sandbox, curl in
      let old = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      let oldKey = sandbox.currentKeyID
      try await sandbox.rotateKeys()
      #expect(sandbox.currentKeyID != oldKey)
      let keys = await keyIDs(sandbox, curl)
      #expect(keys == [sandbox.currentKeyID, oldKey])
      let new = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await curl.subscriptions(sandbox, token: old).status == 200)
      #expect(await curl.subscriptions(sandbox, token: new).status == 200)
      sandbox.dropOldKeys()
      #expect(await keyIDs(sandbox, curl) == [sandbox.currentKeyID])
      #expect(await curl.subscriptions(sandbox, token: old).status == 401)
      #expect(sandbox.counts.apiRefusals == ["unknownKey": 1])
      #expect(await curl.subscriptions(sandbox, token: new).status == 200)
      try await sandbox.rotateKeys(dropOld: true)
      #expect(await curl.subscriptions(sandbox, token: new).status == 401)
    }
  }

  @Test("a key is announced before it signs")
  func prepared() async throws {
    try await withSandbox { sandbox, curl in
      let old = sandbox.currentKeyID
      let next = try await sandbox.prepareKey()
      #expect(await keyIDs(sandbox, curl) == [old, next] && sandbox.currentKeyID == old)
      try await sandbox.rotateKeys()
      #expect(await keyIDs(sandbox, curl) == [next, old] && sandbox.currentKeyID == next)
      try await sandbox.rotateKeys()
      #expect(sandbox.currentKeyID != next && sandbox.currentKeyID != old)
    }
  }

  @Test("every second key set is another server's, without the key that signs")
  func alternating() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.update { $0.alternatesKeySets = true }
      var sets: [[String]] = []
      for _ in 0..<4 { sets.append(await keyIDs(sandbox, curl)) }
      #expect(sets.count { $0.contains(sandbox.currentKeyID) } == 2)
      #expect(sets[0] == sets[2] && sets[1] == sets[3] && sets.allSatisfy { !$0.isEmpty })
    }
  }

  @Test("a key set that is the same gets 304")
  func notModified() async throws {
    try await withSandbox { sandbox, curl in
      let path = sandbox.issuer + "/.well-known/openid-configuration/jwks"
      #expect(await curl(path).headers["etag"] == nil)
      sandbox.update { $0.keySetHasETag = true }
      let tag = try #require(await curl(path).headers["etag"])
      let same = await curl(path, "--header", "If-None-Match: \(tag)")
      #expect(same.status == 304 && same.body.isEmpty && same.headers["etag"] == tag)
      try await sandbox.rotateKeys()
      let other = await curl(path, "--header", "If-None-Match: \(tag)")
      #expect(other.status == 200 && other.headers["etag"] != tag)
    }
  }

  @Test("an API that keeps keys rejects the first request with a new one, and accepts what an old one signed")
  func learning() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.update { $0.apiKeyCache = .learnsFromRejection }
      let old = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await curl.subscriptions(sandbox, token: old).status == 200)
      try await sandbox.rotateKeys(dropOld: true)
      let new = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await curl.subscriptions(sandbox, token: old).status == 200)
      #expect(sandbox.refusal(of: new) == "unknownKey" && sandbox.refusal(of: new) == "unknownKey")
      #expect(await curl.subscriptions(sandbox, token: new).status == 401)
      #expect(await curl.subscriptions(sandbox, token: new).status == 200)
      #expect(await curl.subscriptions(sandbox, token: old).status == 401)
    }
  }

  @Test("an API that keeps keys for a time accepts no new one before")
  func keptForATime() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.update { $0.apiKeyCache = .seconds(3600) }
      let old = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await curl.subscriptions(sandbox, token: old).status == 200)
      try await sandbox.rotateKeys()
      let new = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      for _ in 0..<3 { #expect(await curl.subscriptions(sandbox, token: new).status == 401) }
      sandbox.update { $0.apiKeyCache = .seconds(0) }
      #expect(await curl.subscriptions(sandbox, token: new).status == 200)
    }
  }

  @Test("a token that the API alone rejects is active for the authorization server")
  func revokedAtAPI() async throws {
    try await withSandbox { sandbox, curl in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      sandbox.revokeAtAPI(token)
      #expect(await curl.subscriptions(sandbox, token: token).status == 401)
      #expect(sandbox.counts.apiRefusals == ["revokedAtAPI": 1])
      let report = await curl(
        sandbox.issuer + "/connect/introspect", "--data-urlencode", "token=\(token)", "--data-urlencode",
        "client_id=\(sandbox.clientID)", "--data-urlencode", "client_secret=\(sandbox.clientSecret)")
      #expect(report.json?["active"] == true)
    }
  }

  private func keyIDs(_ sandbox: Sandbox, _ curl: Curl) async -> [String] {
    let keys = await curl(sandbox.issuer + "/.well-known/openid-configuration/jwks").json?["keys"]?.array ?? []
    return keys.compactMap { $0["kid"]?.string }
  }
}
