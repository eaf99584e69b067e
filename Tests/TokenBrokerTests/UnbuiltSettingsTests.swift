import Testing

@testable import TokenBroker

@Suite("Settings that this version does not act on are refused, not ignored")
struct UnbuiltSettingsTests {
  @Test("the defaults are all built")
  func defaults() throws {
    try Configuration(path: "config.toml", tokens: [TokenSettings(name: "konexus")]).requireBuilt()
  }

  @Test("each of them is named")
  func unbuilt() {
    var token = TokenSettings(name: "river")
    token.clientAuthentication = .privateKeyJWT
    token.verification = .none
    token.revokesOnStop = true
    let configuration = Configuration(path: "config.toml", tokens: [token])
    let error = #expect(throws: UnbuiltSettings.self) { try configuration.requireBuilt() }
    #expect(
      error?.description == """
        config.toml: error: client_auth (other than "client_secret_post") in [token.river] is not in this version; remove it
        config.toml: error: verify (other than "jwt") in [token.river] is not in this version; remove it
        config.toml: error: revoke_on_stop in [token.river] is not in this version; remove it
        """)
  }
}
