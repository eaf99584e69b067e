import Foundation
import Testing
@testable import Base
@testable import Engine
@testable import Publication

@Suite struct StatusDocumentTests {
  @Test func aReaderGetsWhatWasWritten() throws {
    let status = status(of: ["river", "contacts"], configuration: #"/etc/"tokens":[]/config.toml"#)
    let document = try #require(StatusDocument().updated(to: status))
    #expect(try decode(document) == status)
  }

  @Test func aDaemonWithoutTokensIsADocumentToo() throws {
    let status = status(of: [])
    #expect(try decode(#require(StatusDocument().updated(to: status))) == status)
  }

  @Test func onlyTheTimeIsNoNews() throws {
    var status = status(of: ["river"])
    let document = try #require(StatusDocument().updated(to: status))
    status.writtenAt += 15
    #expect(document.updated(to: status) == nil)
    status.reloads += 1
    #expect(try decode(#require(document.updated(to: status))) == status)
  }

  /// After a crash, the next run knows only until when the document was true.
  @Test func anUnchangedDocumentIsWrittenOnceAMinute() throws {
    var status = status(of: ["river"])
    status.writtenAtMonotonic = 1_000_000_000_000
    let changed = status.writtenAt
    var document = try #require(StatusDocument().updated(to: status))
    for seconds in 1...180 {
      status.writtenAt += 1
      status.writtenAtMonotonic = 1_000_000_000_000 + Int64(seconds) * 1_000_000_000
      let next = document.updated(to: status)
      #expect((next != nil) == seconds.isMultiple(of: 60), "\(seconds)")
      guard let next else { continue }
      document = next
      let read = try decode(next)
      #expect(read.writtenAtMonotonic == status.writtenAtMonotonic)
      #expect(read.writtenAt == changed, "the time of the last change")
      #expect(read.isEqual(to: status))
    }
    status.reloads += 1
    let next = try #require(document.updated(to: status))
    #expect(try decode(next) == status)
  }

  /// Members of later releases are ignored, and those that an earlier release did not write can be missing.
  @Test func documentsOfOtherReleasesAreRead() throws {
    var status = status(of: ["river"])
    status.writtenAtMonotonic = 1_000_000_000_000
    let clock = Moment(boot: BootTime(seconds: 1), unix: 1_764_000_000, monotonic: BootTime(seconds: 1))
    status.tokens[0].availability = Availability(hasToken: true, at: clock)
    let text = String(decoding: try #require(StatusDocument().updated(to: status)).bytes, as: UTF8.self)
    let availability = try #require(text.firstMatch(of: /,"availability":\{[^}]*\}/)).output
    var earlier = status
    earlier.writtenAtMonotonic = nil
    earlier.tokens[0].availability = nil
    let reduced = text.replacing(availability, with: "").replacing(/"writtenAtMonotonic":[0-9]+/, with: #""a":1"#)
    #expect(StatusDocument.parse(Secret(reduced)) == earlier)
    let later = text.replacing(#""availability":{"#, with: #""aMember":{"b":[1]},"availability":{"aMember":"x","#)
    #expect(later != text && StatusDocument.parse(Secret(later)) == status)
  }

  /// Lines of the previous document are used again. After each change of the list, each token must have its own line.
  @Test func everyChangeIsInTheNextDocument() throws {
    var status = status(of: (0..<20).map { "token-\($0)" })
    var document = try #require(StatusDocument().updated(to: status))
    let changes: [(inout [TokenStatus]) -> Void] = [
      { $0[7].notes = ["a note that makes the line longer"] },
      { $0.remove(at: 3) },
      { $0.insert(self.token("new"), at: 0) },
      { $0.swapAt(1, 15) },
      { $0[0].expiresAt = nil },
      { $0.removeLast(12) },
      { $0 = [] },
      { $0 = [self.token("again")] },
    ]
    for change in changes {
      change(&status.tokens)
      document = try #require(document.updated(to: status))
      #expect(try decode(document) == status)
    }
  }

  @Test func eachTokenHasALineOfItsOwn() throws {
    let document = try #require(StatusDocument().updated(to: status(of: ["river", "contacts"])))
    let lines = String(decoding: document.bytes, as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 4 && lines[1].contains(#""name":"river""#) && lines[2].contains(#""name":"contacts""#))
  }

  private func decode(_ document: StatusDocument) throws -> BrokerStatus {
    let status = try JSONDecoder().decode(BrokerStatus.self, from: Data(document.bytes))
    #expect(StatusDocument.parse(Secret(document.bytes)) == status)
    return status
  }

  private func status(of tokens: [String], configuration: String = "/etc/konexus-tokend/config.toml") -> BrokerStatus {
    BrokerStatus(
      pid: 7, bootID: "b", writtenAt: 1_764_000_000.5, startedAt: 1_763_999_000, isReady: true,
      configuration: configuration, reloads: 0, tokens: tokens.map(token))
  }

  private func token(_ name: String) -> TokenStatus {
    var token = TokenStatus(name: name, issuer: "https://auth.example.com", clientID: "ext-1741")
    token.condition = .valid
    token.expiresAtBoot = 12
    token.expiresAt = 1_764_003_600.125
    token.requests = 3
    token.successes = 2
    token.tally = RequestTally()
    token.outputs = []
    token.scope = ["tamarack"]
    token.requestedScope = []
    token.audience = ["tamarack"]
    token.verification = .jwt
    token.notes = []
    return token
  }
}
