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
    token.allowUnits = ["flood-alert.service"]
    token.signal = ReaderSignal(pidFile: "/run/reader.pid")
    let configuration = Configuration(path: "config.toml", tokens: [token])
    let error = #expect(throws: UnbuiltSettings.self) { try configuration.requireBuilt() }
    #expect(
      error?.description == """
        config.toml: error: allow_units in [token.river] is not in this version; remove it
        config.toml: error: signal in [token.river] is not in this version; remove it
        """)
  }
}
