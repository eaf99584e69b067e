import Testing
@testable import Base
@testable import Engine

@Suite struct StopProgressTests {
  private static let server = ServerID(1)
  private static func at(_ seconds: Double) -> BootTime { BootTime(seconds: 1000 + seconds) }

  @Test func withoutTokensToRevokeNothingIsLeft() {
    #expect(StopProgress(revoking: [], at: Self.at(0)).isComplete)
  }

  @Test func aTokenIsRevokedAfterItsFilesAreRemoved() {
    var stop = StopProgress(revoking: ["a", "b"], at: Self.at(0))
    let early = stop.revoked("c", at: Self.server)
    let first = stop.withdrew("a", at: Self.server, limit: 10)
    let again = stop.withdrew("a", at: Self.server, limit: 10)
    #expect(early.isEmpty && first == ["a"] && again.isEmpty && !stop.isComplete)
    _ = stop.revoked("a", at: Self.server)
    #expect(stop.left == ["b"] && !stop.isComplete)
    _ = stop.withdrew("b", at: Self.server, limit: 10)
    _ = stop.revoked("b", at: Self.server)
    #expect(stop.isComplete && stop.left.isEmpty)
  }

  @Test func anIssuerGetsNoMoreRevocationsAtOnceThanRequests() {
    var stop = StopProgress(revoking: ["a", "b", "c"], at: Self.at(0))
    let first = stop.withdrew("a", at: Self.server, limit: 1)
    let second = stop.withdrew("b", at: Self.server, limit: 1)
    let other = stop.withdrew("c", at: ServerID(2), limit: 1)
    #expect(first == ["a"] && second.isEmpty && other == ["c"])
    let next = stop.revoked("a", at: Self.server)
    #expect(next == ["b"])
  }

  @Test func aRevocationTakesNoLongerThanTheStop() {
    let stop = StopProgress(revoking: ["a"], at: Self.at(0))
    #expect(stop.end == Self.at(5))
    #expect(stop.timeout(at: Self.at(0)) == .seconds(1))
    #expect(stop.timeout(at: Self.at(4.5)) == .milliseconds(500))
    #expect(stop.timeout(at: Self.at(5)) == nil)
  }
}
