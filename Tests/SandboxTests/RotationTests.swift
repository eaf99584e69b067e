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

  private func keyIDs(_ sandbox: Sandbox, _ curl: Curl) async -> [String] {
    let keys = await curl(sandbox.issuer + "/.well-known/openid-configuration/jwks").json?["keys"]?.array ?? []
    return keys.compactMap { $0["kid"]?.string }
  }
}
