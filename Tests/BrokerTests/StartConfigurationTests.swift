import Base
import Settings
import Testing

@testable import Broker

/// Which configuration a start uses, and which it falls back to, by what the previous run left.
@Suite struct StartConfigurationTests {
  /// A configuration that differs from others by its client.
  private static func text(_ client: String) -> Secret {
    Secret("[token.konexus]\nissuer = \"https://localhost\"\nclient_id = \"\(client)\"\nclient_secret = \"sandarac\"\n")
  }

  private func start(
    _ text: Secret, former: String? = nil, working: String? = nil
  ) throws -> (client: String?, working: String?, kept: Secret?) {
    let environment = RuntimeEnvironment.current
    let start = try StartConfiguration(
      ConfigurationDraft(text, standingFor: "/etc/k.toml", environment: environment),
      former: former.flatMap { StoredConfiguration(Self.text($0)) },
      working: working.flatMap { StoredConfiguration(Self.text($0)) }, environment: environment, isPartAllowed: true)
    let kept = start.working?.text?.text
    return (start.configuration.tokens.first?.clientID, start.working?.settings.tokens.first?.clientID, kept)
  }

  @Test("a new text falls back to the last one, or to the one that brought tokens before it")
  func changed() throws {
    #expect(try start(Self.text("new")).working == nil)
    let first = try start(Self.text("new"), former: "old")
    #expect(first.client == "new" && first.working == "old" && first.kept == Self.text("old"))
    let second = try start(Self.text("new"), former: "new", working: "old")
    #expect(second.client == "new" && second.working == "old" && second.kept == Self.text("old"))
    let third = try start(Self.text("newer"), former: "new", working: "old")
    #expect(third.client == "newer" && third.working == "old")
  }

  @Test("a text that is unchanged, or back, falls back to nothing")
  func unchanged() throws {
    #expect(try start(Self.text("old"), former: "old").working == nil)
    #expect(try start(Self.text("old"), former: "new", working: "old").working == nil)
  }

  @Test("a broken text: the last one is used, and falls back to the one that brought tokens")
  func broken() throws {
    let broken = Secret("[token.konexus]\nissuer = 5\n")
    let first = try start(broken, former: "old")
    #expect(first.client == "old" && first.working == nil)
    let second = try start(broken, former: "new", working: "old")
    #expect(second.client == "new" && second.working == "old" && second.kept == Self.text("old"))
  }
}
