import Testing
@testable import Base
@testable import Engine

/// Slow, full and read-only disks.
extension HostEngineTests {
  private static func hostWithSlowDisk() -> Host {
    var host = Host { $0.mayHang = true }
    host.isDiskBusy = true
    return host
  }

  /// A disk that is slow, and full: the expired token is removed before its successor is tried once more.
  @Test func anExpiredTokenIsRemovedThoughItsSuccessorIsBeingWritten() {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 1800)
    host.succeed(2, at: 1800)
    #expect(host.works.last?.kind == .publish)
    host.handle(.woke, at: 3599)
    host.endWork(.failed("full"), at: 3600)
    #expect(host.works.last?.kind == .remove)
    host.endWork(.done, at: 3601)
    #expect(host.works.last?.kind == .publish)
  }

  /// The first file can be written, and the other one cannot.
  @Test func aTokenInTheFirstFileCountsAsPublished() throws {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 1800)
    host.succeed(2, lifetime: 7200, at: 1800)
    host.endWork(.incomplete("full"), at: 1800)
    #expect(host.signals == 2)
    var life: TokenLifecycle { get throws { try #require(host.engine.lifecycle(of: "a")) } }
    #expect(try life.published == life.newest)
    guard case .failing("full", 1, _) = try life.publication else {
      Issue.record("the failure is not reported")
      return
    }
    // The other file is tried again. The application already has its token.
    host.handle(.woke, at: 1801)
    host.endWork(.incomplete("full"), at: 1801)
    #expect(host.signals == 2)
    // The other file may hold the previous token. It is removed when that expires, while the new one counts on.
    while host.works.last?.kind == .publish, host.works.count < 9 { host.endWork(.incomplete("full"), at: 3599) }
    #expect(host.works.last?.kind == .remove)
    #expect(try life.published == life.newest)
    host.endWork(.done, at: 3599)
    #expect(host.works.last?.kind == .publish)
    host.endWork(.done, at: 3600)
    #expect(try life.publication == .settled)
  }

  /// New settings move files while the token is written to the previous places, at once or after a failure.
  @Test(arguments: [false, true]) func filesThatMoveWhileTheyAreWrittenAreWrittenOnceMore(_ hasFailed: Bool) {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 1800)
    host.succeed(2, at: 1800)
    if hasFailed {
      host.endWork(.failed("full"), at: 1800)
      host.handle(.woke, at: 1801)
    }
    #expect(host.works.last?.kind == .publish)
    let count = host.works.count
    var configuration = HostChange(maxRequests: 4)
    let plan = Host.plan { $0.mayHang = true }
    configuration.changed = [(plan, TokenChange(needsNewToken: false, movesFiles: true))]
    host.handle(.configured(configuration), at: 1802)
    #expect(host.works.count == count)
    host.endWork(.done, at: 1803)
    #expect(host.works.count == count + 1 && host.works.last?.kind == .publish)
  }

  /// A host whose disk hangs while it writes a token that expires at 2800. A newer token came at 2500.
  private func hostWithHangingWrite() -> Host {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 1800)
    host.succeed(2, lifetime: 1000, at: 1800)
    host.handle(.refreshAll, at: 2500)
    host.succeed(3, at: 2500)
    return host
  }

  /// A disk that hung until the token that was being written had expired, and is full then.
  @Test func aTokenThatExpiredWhileItWasWrittenIsRemovedBeforeItsSuccessorIsTried() {
    var host = hostWithHangingWrite()
    host.endWork(.done, at: 2800)
    #expect(host.works.last?.kind == .remove)
    host.endWork(.done, at: 2801)
    #expect(host.works.last?.kind == .publish)
  }

  /// A disk that hung until a newer token had come, and is full then.
  @Test func aTokenThatWasOvertakenWhileItWasWrittenIsRemovedAtItsExpiry() {
    var host = hostWithHangingWrite()
    host.endWork(.done, at: 2600)
    #expect(host.works.last?.kind == .publish)
    host.endWork(.failed("full"), at: 2601)
    host.handle(.woke, at: 2799)
    while host.works.last?.kind == .publish, host.works.count < 10 {
      host.endWork(.failed("full"), at: 2799)
    }
    #expect(host.works.last?.kind == .remove)
  }

  /// A disk that hung until a newer token had come, and had expired before the one that was written.
  @Test func aTokenThatWasWrittenTooLateIsRemoved() {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 1800)
    host.succeed(2, at: 1800)
    host.handle(.refreshAll, at: 2500)
    host.succeed(3, lifetime: 100, at: 2500)
    host.handle(.woke, at: 2599)
    #expect(host.engine.lifecycle(of: "a")?.newest == nil)
    host.endWork(.done, at: 2600)
    #expect(host.works.last?.kind == .remove)
  }

  /// A disk that hung until the moment of the expiry.
  @Test func aTokenThatExpiresInThisMomentIsNotWritten() {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 3599)
    host.succeed(2, lifetime: 100, at: 3600)
    #expect(host.works.map(\.kind) == [.remove])
    host.endWork(.done, at: 3699)
    #expect(host.works.map(\.kind) == [.remove, .remove])
  }

  /// A disk that was read-only at the expiry, and is full now.
  @Test func aRemovalThatFailedIsRepeatedThoughThereIsASuccessor() {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 1800)
    host.succeed(2, at: 1800)
    host.endWork(.failed("full"), at: 1800)
    host.handle(.woke, at: 3599)
    while host.works.last?.kind == .publish, host.works.count < 10 { host.endWork(.failed("read-only"), at: 3599) }
    #expect(host.works.last?.kind == .remove)
    host.endWork(.failed("read-only"), at: 3599.1)
    host.endWork(.failed("full"), at: 3599.2)
    let count = host.works.count
    host.handle(.woke, at: 3609.3)
    while host.works.last?.kind == .publish, host.works.count < count + 5 { host.endWork(.failed("full"), at: 3609.3) }
    #expect(host.works.dropFirst(count).contains { $0.kind == .remove })
  }

  /// A host that slept while its files were examined. The newer token, which waited to be written, expired.
  @Test func aTokenThatExpiredBeforeItWasWrittenIsForgottenAtOnce() {
    var host = Self.hostWithSlowDisk()
    host.handle(.heartbeat, at: 1000)
    host.handle(.refreshAll, at: 1001)
    host.succeed(2, lifetime: 100, at: 1001)
    #expect(host.works.map(\.kind) == [.examine])
    host.endWork(.done, at: 1200)
    #expect(host.engine.lifecycle(of: "a")?.newest == nil && host.works.map(\.kind) == [.examine, .remove])
    host.endWork(.done, at: 1201)
    #expect(host.works.count == 2)
  }

  /// A disk that was full until the expiry of the previous token. The removal of that token takes long. When it ends,
  /// the next attempt to write the successor is due.
  @Test func aSuccessorIsWrittenOnceAfterASlowRemoval() {
    var host = hostWithHangingWrite()
    host.endWork(.done, at: 2600)
    host.endWork(.failed("full"), at: 2601)
    host.handle(.woke, at: 2799)
    while host.works.last?.kind == .publish, host.works.count < 10 { host.endWork(.failed("full"), at: 2799) }
    #expect(host.works.last?.kind == .remove)
    let (count, signals) = (host.works.count, host.signals)
    host.endWork(.done, at: 2831)
    #expect(host.works.count == count + 1 && host.works.last?.kind == .publish)
    host.endWork(.done, at: 2832)
    #expect(host.works.count == count + 1 && host.signals == signals + 1)
  }

  /// A removal that takes long. It leaves the newest token in one of several files. That token expires meanwhile, after
  /// its successor came, which does not fit on the disk.
  @Test func aTokenThatARemovalLeftIsRemovedWhenItHasExpired() {
    var host = hostWithHangingWrite()
    host.handle(.woke, at: 2799)
    host.endWork(.failed("full"), at: 2799)
    host.handle(.woke, at: 3599)
    host.endWork(.failed("full"), at: 3599)
    for _ in 0..<5 where host.works.last?.kind == .publish { host.endWork(.failed("full"), at: 3599) }
    #expect(host.works.last?.kind == .remove)
    host.handle(.refreshAll, at: 3600)
    host.succeed(9, at: 3600)
    for seconds in stride(from: 3601.0, to: 3640, by: 1) { host.handle(.woke, at: seconds) }
    let count = host.works.count
    host.endWork(.done, at: 3640)
    for _ in 0..<5 where host.works.last?.kind == .publish { host.endWork(.failed("full"), at: 3640) }
    #expect(host.works.dropFirst(count).contains { $0.kind == .remove })
  }

  /// A removal that takes long, and fails after a successor came.
  @Test func aRemovalThatFailedLateIsRepeatedThoughThereIsASuccessor() {
    var host = Self.hostWithSlowDisk()
    host.handle(.woke, at: 3599)
    #expect(host.works.last?.kind == .remove)
    host.succeed(2, at: 3601)
    host.endWork(.failed("read-only"), at: 3603)
    host.endWork(.failed("read-only"), at: 3603)
    #expect(host.works.last?.kind == .publish)
    let count = host.works.count
    var ended = count
    for seconds in 3604...3613 {
      host.handle(.woke, at: Double(seconds))
      while ended < host.works.count {
        ended += 1
        host.endWork(.failed("full"), at: Double(seconds))
      }
    }
    #expect(host.works.dropFirst(count).contains { $0.kind == .remove })
  }
}
