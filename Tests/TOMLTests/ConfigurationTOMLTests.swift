import Testing
@testable import Base

/// The TOML reader against toml++ (by TOMLKit), and against TOML 1.0 where toml++ is of another mind.
@Suite struct ConfigurationTOMLTests {
  @Test(arguments: TOMLCorpus.valid) func validDocumentsAreReadAsTomlPlusPlusReadsThem(_ text: String) {
    #expect(TOMLOracle.ours(text) != nil, "\(text)")
    #expect(TOMLOracle.ours(text) == TOMLOracle.theirs(text), "\(text)")
  }

  @Test(arguments: TOMLCorpus.invalid) func invalidDocumentsAreRefused(_ text: String) {
    #expect(TOMLOracle.ours(text) == nil, "\(text)")
    #expect(TOMLOracle.theirs(text) == nil, "\(text)")
  }

  /// If the reader no longer has such a message, nothing keeps toml++ from its assertions.
  @Test(arguments: TOMLOracle.guardedMessages) func aGuardedMessageIsOneOfTheReader(_ prefix: String) {
    #expect(TOMLCorpus.invalid.contains { TOMLOracle.messages($0).contains { $0.hasPrefix(prefix) } })
  }

  /// A mutated document is valid for both or for neither, and says the same to both.
  @Test(arguments: 0..<8) func mutatedDocumentsAreJudgedAsTomlPlusPlusJudgesThem(_ shard: UInt64) {
    var generator = SplitMix64(seed: shard)
    for round in 0..<600 {
      let text = TOMLCorpus.mutated(using: &generator)
      let (ours, theirs) = (TOMLOracle.ours(text), TOMLOracle.theirs(text))
      #expect(ours == theirs, "shard \(shard), round \(round): \(text.debugDescription)")
      if ours != theirs { return }
    }
  }
}
