import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// Wall clocks that are wrong or are set, and a boot-time clock that jumps. The machine's own clock is never changed.
@Suite("Clocks", .inTurn)
struct ClockTests {
  static let day = 86_400

  @Test("a proxy's wrong Date costs no token, if the server's own clock is right", arguments: [5000, -5000])
  func wrongDate(by seconds: Int) async throws {
    try await withScene { scene in
      var time = time(nil) + seconds
      var parts = tm()
      gmtime_r(&time, &parts)
      var text = [CChar](repeating: 0, count: 64)
      strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
      scene.sandbox.inject(Fault(.header("Date", String(cString: text))))
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let token = try #require(daemon.status?.tokens.first)
      #expect(try #require(token.expiresAt) > Clock.unix + 3500)
    }
  }

  @Test(
    "the wall clock is stepped while it runs: the token serves on, the next comes in time, and it is said",
    arguments: [3600, -3600, 365 * day, -365 * day])
  func stepped(by seconds: Int) async throws {
    try await withScene(lifetime: 8) { scene in
      let clock = try WallClock(in: scene.workplace)
      try scene.configure()
      let daemon = try scene.startDaemon(environment: clock.environment.merging(["WATCHDOG_USEC": "2000000"]) { $1 })
      try await scene.ready()
      let reader = try await scene.startReader()
      try clock.set(ahead: seconds)
      if abs(seconds) < 200 * Self.day {
        try await scene.wait(for: "two more tokens") { reader.report().tokens >= 3 }
        let report = reader.finish()
        #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report) \(report.gaps)\n\(scene.story)")
        let status = try #require(scene.notify.status)
        #expect(status.contains("the server's clock is"), "\(status)")
      } else {
        // After a year, each certificate has expired. No new token can come, and the clock is named as the cause.
        try await scene.wait(for: "the failure") {
          daemon.status?.tokens.first?.failure?.code.hasPrefix("tls-") ?? false
        }
        let failure = try #require(daemon.status?.tokens.first?.failure)
        #expect(failure.remedy.contains("clock"), "\(failure)")
        // The valid token stays exactly until its true expiry, a second before its `exp`.
        try await scene.wait(for: "the token's end") { scene.token() == nil }
        try await scene.wait(for: "the reader's word of it") { !reader.report().gaps.isEmpty }
        let report = reader.report()
        let gap = try #require(report.gaps.first)
        // The token that is requested at once can still have come, on the connection of the first one.
        let last = try #require(reader.readings.last { $0.isToken })
        #expect(report.refused.isEmpty && report.tokens <= 2, "\(report)\n\(scene.story)")
        #expect(gap.lowerBound > last.first + 5, "\(report) \(report.gaps)\n\(scene.story)")
        try clock.set(ahead: 0)
        try await scene.wait(for: "a token by the right clock") {
          scene.token().map { scene.sandbox.refusal(of: $0) == nil } ?? false
            && daemon.status?.tokens.first?.failure == nil
        }
        #expect(reader.finish().refused.isEmpty)
      }
      #expect(!daemon.log(with: "clock was stepped").isEmpty, "\(daemon.log)")
      #expect(scene.notify.count(of: "WATCHDOG=1") > 0 && daemon.process.ending == nil)
    }
  }

  @Test("the tests' wall clock moves timers as the kernel's does", arguments: [-3600, 0, 3600])
  func timers(ahead seconds: Int) async throws {
    try await withScene { scene in
      let clock = try WallClock(in: scene.workplace)
      let output = scene.workplace.path + "/timer"
      func start(_ wait: Int) throws -> ChildProcess {
        try ChildProcess(
          [Preload.timer.get(), "\(wait)"], environment: clock.environment, output: output, errors: output)
      }
      try clock.set(ahead: seconds)
      let short = try start(2)
      try await scene.wait(for: "two seconds to pass", atMost: 30) { short.ending != nil }
      let text = try #require(Workplace.read(output))
      #expect(try #require(text.split(separator: "\n").last.flatMap { Int($0) }) >= 1900, "\(text)")
      unlink(output)
      // An hour and its half: the clock is set in between, and then past the time.
      let long = try start(3600)
      try await scene.wait(for: "the timer", atMost: 30) { Workplace.read(output)?.hasPrefix("set") ?? false }
      try clock.set(ahead: seconds + 1800)
      try await scene.pass(0.5)
      #expect(long.ending == nil, "\(Workplace.read(output) ?? "")")
      try clock.set(ahead: seconds + 3600)
      try await scene.wait(for: "the timer's end", atMost: 30) { long.ending == .exited(0) }
    }
  }

  @Test("with a clock that is an hour behind, or is set so, nothing spins", arguments: [true, false])
  func behind(fromTheStart: Bool) async throws {
    try await withScene { scene in
      let clock = try WallClock(in: scene.workplace)
      if fromTheStart { try clock.set(ahead: -3600) }
      try scene.configure()
      let daemon = try scene.startDaemon(environment: clock.environment.merging(["WATCHDOG_USEC": "2000000"]) { $1 })
      try await scene.settled()
      try clock.set(ahead: -3600)
      try await scene.pass(1)
      let spent = try #require(daemon.processorTime)
      let start = Clock.monotonic
      try await scene.pass(3)
      let share = try (#require(daemon.processorTime) - spent) / (Clock.monotonic - start)
      #expect(share < 0.2, "\(share) of a processor")
    }
  }

  @Test("a host that stood still as a whole asks anew once its clock is set; the token stays meanwhile")
  func paused() async throws {
    try await withScene { scene in
      let clock = try WallClock(in: scene.workplace)
      try scene.configure()
      let daemon = try scene.startDaemon(environment: clock.environment.merging(["WATCHDOG_USEC": "2000000"]) { $1 })
      try await scene.settled()
      let reader = try await scene.startReader()
      let before = scene.token()
      try clock.set(ahead: 2 * 3600)
      // Half an hour before its time.
      try await scene.wait(for: "a new token") { scene.token().map { $0 != before } ?? false }
      #expect(daemon.log(with: "clock was stepped forward", "was paused").count == 1, "\(daemon.log)")
      // A clock that is set back is no evidence that time has passed.
      try clock.set(ahead: 0)
      try await scene.wait(for: "word of it") { !daemon.log(with: "clock was stepped back").isEmpty }
      try await scene.pass(1.5)
      #expect(scene.sandbox.counts[.token] == 2)
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty && report.tokens == 2, "\(report)")
    }
  }

  @Test(
    "the server's clock is 10 min off: its tokens are good all the same, and the status says so",
    arguments: [600, -600])
  func serverOff(by seconds: Int) async throws {
    try await withScene(lifetime: 8, options: { $0.settings.clockSkew = Double(seconds) }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      try await scene.wait(for: "three tokens") { reader.report().tokens >= 3 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report) \(report.gaps)\n\(scene.story)")
      let status = try #require(scene.notify.status)
      #expect(status.contains(seconds > 0 ? "ahead of this host's" : "behind this host's"), "\(status)")
      #expect(daemon.log(with: " warning the server's clock is").count == 1, "\(daemon.log)")
      let skew = try #require(daemon.status?.tokens.first?.clockSkew)
      #expect(abs(skew - Double(seconds)) < 5)
    }
  }

  /// Whether this machine grants time namespaces.
  static let hasTimeNamespaces: Bool = {
    guard
      let trial = try? ChildProcess(
        ["unshare", "--time", "--fork", "--boottime", "1000", "true"], environment: ["PATH": "/usr/bin:/bin"],
        errors: "/dev/null")
    else { return false }
    return trial.wait() == .exited(0)
  }()

  private static func shifted(boottime: Int, monotonic: Int = 0) -> [String] {
    [
      "unshare", "--time", "--fork", "--kill-child", "--boottime", "\(boottime)", "--monotonic", "\(monotonic)",
    ]
  }

  @Test(
    "in a time namespace, where the host seems to have slept for 11 days, tokens are fresh all the same",
    .enabled(if: hasTimeNamespaces, "needs time namespaces: run as root on Linux 5.6 or newer"))
  func timeNamespace() async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure()
      try scene.startDaemon(wrapper: Self.shifted(boottime: 1_000_000, monotonic: 5000))
      try await scene.ready()
      let reader = try await scene.startReader()
      try await scene.wait(for: "three tokens") { reader.report().tokens >= 3 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report) \(report.gaps)\n\(scene.story)")
    }
  }

  @Test(
    "a suspend longer than the token's life between two runs: what is left is not adopted",
    .enabled(if: hasTimeNamespaces, "needs time namespaces: run as root on Linux 5.6 or newer"),
    arguments: [7200, -600])
  func suspendedBetween(seconds: Int) async throws {
    try await withScene { scene in
      try scene.configure()
      let first = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      // BOOTTIME has advanced by more than the lifetime of 3600 s, but MONOTONIC has not. Or BOOTTIME has nothing to do
      // with the previous one.
      try scene.startDaemon(wrapper: Self.shifted(boottime: seconds))
      try await scene.wait(for: "another token") { scene.token().map { $0 != before } ?? false }
      #expect(scene.sandbox.counts[.token] == 2)
    }
  }
}
