import Foundation
import Testing
@testable import Base
@testable import Engine
@testable import Files
@testable import Publication
@testable import Report

/// The share of time in which applications had a token, in the output of `status` and for the next run.
@Suite struct AvailabilityReportTests {
  /// 2026-11-20 03:12:07 UTC.
  private static let gapStart = 1_795_144_327.0
  /// Twelve days and four hours: the time from the first reading to `now`.
  private static let span = 12 * 86_400 + 4 * 3600.0
  private static let now = Moment(
    boot: BootTime(seconds: 3_000_000), unix: gapStart + 500_000, monotonic: BootTime(seconds: 2_000_000))

  /// The moment `seconds` before `now`.
  private static func before(_ seconds: Double) -> Moment {
    Moment(boot: now.boot - .seconds(seconds), unix: now.unix - seconds, monotonic: now.monotonic - .seconds(seconds))
  }

  /// A count of 12 d 4 h with one gap.
  private static func count(gap: Double, _ cause: FailureCode? = .serverError) -> Availability {
    var count = Availability(hasToken: true, at: before(span))
    guard gap > 0 else { return count }
    count.record(hasToken: false, cause: cause, at: before(500_000))
    count.record(hasToken: true, at: before(500_000 - gap))
    return count
  }

  private static func line(_ count: Availability, now: Moment = now) -> String? {
    TokenAvailability(count, writtenAt: now.monotonic, expiresAt: now.boot + .seconds(60), now: now)?.sentence
  }

  // MARK: The sentence

  @Test("the sentence")
  func sentence() {
    let date = Timestamp.zoned(Self.gapStart)
    #expect(
      Self.line(Self.count(gap: 190))
        == "token available 99.98 % of the last 12 d 4 h; longest gap 3 min 10 s (server-error) on \(date)")
    #expect(
      Self.line(Self.count(gap: 190, nil))
        == "token available 99.98 % of the last 12 d 4 h; longest gap 3 min 10 s on \(date)")
    #expect(Self.line(Self.count(gap: 0)) == "token available 100 % of the last 12 d 4 h")
    #expect(
      Self.line(Self.count(gap: 0.2, .connection))
        == "token available 99.99 % of the last 12 d 4 h; longest gap less than 1 s (connection) on \(date)")
  }

  @Test(
    "a percentage of a million seconds is rounded down: 100 % means that there was no gap",
    arguments: [
      (0, "100 %"), (1, "99.99 %"), (50_000_000_000, "99.99 %"), (100_000_000_000, "99.99 %"),
      (100_000_000_001, "99.98 %"), (10_000_000_000_000, "99.00 %"), (999_500_000_000_000, "0.05 %"),
      (999_999_999_999_999, "0.00 %"), (1_000_000_000_000_000, "0 %"),
    ] as [(Int64, String)])
  func percentages(gap nanoseconds: Int64, text: String) throws {
    let start = Self.before(1_000_000)
    var count = Availability(hasToken: false, at: start)
    var end = start
    end.monotonic = end.monotonic + .nanoseconds(nanoseconds)
    count.record(hasToken: true, at: end)
    let expiry = Self.now.boot + .seconds(9)
    let availability = TokenAvailability(count, writtenAt: Self.now.monotonic, expiresAt: expiry, now: Self.now)
    #expect(availability?.percentage == text)
  }

  @Test("nothing is said before there is a minute of data")
  func shortCount() {
    let count = Availability(hasToken: true, at: Self.before(60))
    #expect(Self.line(count, now: Self.before(0.001)) == nil)
    #expect(Self.line(count) == "token available 100 % of the last 1 min")
  }

  @Test("nothing is said of values that no daemon writes, and of a document without the time")
  func contradictions() {
    let count = Self.count(gap: 190)
    let expiry = Self.now.boot + .seconds(60)
    #expect(TokenAvailability(count, writtenAt: nil, expiresAt: expiry, now: Self.now) == nil)
    #expect(TokenAvailability(nil, writtenAt: Self.now.monotonic, expiresAt: expiry, now: Self.now) == nil)
    // Written before the last change, and in the future.
    for seconds in [500_000.0, -1] {
      let written = Self.before(seconds).monotonic
      #expect(TokenAvailability(count, writtenAt: written, expiresAt: expiry, now: Self.now) == nil, "\(seconds)")
    }
  }

  // MARK: Reports

  /// A report on a daemon whose document was written 100 s ago.
  private func report(
    _ availability: Availability?, expiresIn seconds: Double? = 600, isRunning: Bool = true, path: String = "/dev/null",
    bootID: String = BootID.current
  ) -> StatusReport {
    var token = TokenStatus(name: "konexus", issuer: "https://auth.example.com", clientID: "c")
    token.condition = .valid
    token.expiresAtBoot = seconds.map { (Self.now.boot + .seconds($0)).nanoseconds }
    token.expiresAt = seconds.map { Self.now.unix + $0 }
    token.outputs = [.init(path: path, mode: "0640", format: "raw")]
    token.availability = availability
    let written = Self.before(100)
    let status = BrokerStatus(
      pid: getpid(), bootID: bootID, writtenAt: written.unix, startedAt: written.unix, isReady: true,
      configuration: "/nonexistent/config.toml", reloads: 0, tokens: [token], processStart: 1,
      writtenAtMonotonic: written.monotonic.nanoseconds)
    return StatusReport(
      LoadedStatus(
        status: status, directory: "/nonexistent", owner: geteuid(), modified: 1e11, isLocked: isRunning),
      now: Self.now)
  }

  private func totals(_ report: StatusReport) throws -> [Double] {
    let totals = try #require(report.tokens[0].availability).totals
    return [totals.available.seconds, totals.unavailable.seconds]
  }

  @Test("a report counts until now: an expired token, and one whose file is gone, are gaps")
  func counts() throws {
    let count = Self.count(gap: 190)
    let rest = Self.span - 190
    #expect(try totals(report(count)) == [rest, 190])
    #expect(try totals(report(count, isRunning: false)) == [rest, 190], "the token stays in its file")
    #expect(try totals(report(count, expiresIn: -40)) == [rest - 40, 230])
    #expect(try totals(report(count, expiresIn: -40, isRunning: false)) == [rest - 40, 230])
    let missing = "/nonexistent/konexus.token"
    #expect(try totals(report(count, path: missing)) == [rest, 190], "the daemon writes it again")
    #expect(try totals(report(count, isRunning: false, path: missing)) == [rest - 100, 290])
    #expect(report(count, isRunning: false, bootID: "of another boot").tokens[0].availability == nil)
    #expect(report(nil).tokens[0].availability == nil)
  }

  @Test("a token that is no longer accepted is a gap, though it is in its file")
  func withdrawnToken() throws {
    var count = Self.count(gap: 0)
    count.record(hasToken: false, at: Self.before(150))
    for isRunning in [true, false] {
      #expect(try totals(report(count, isRunning: isRunning)) == [Self.span - 150, 150])
    }
  }

  @Test("text, table and JSON have it")
  func presentation() throws {
    let report = report(Self.count(gap: 190))
    let sentence = try #require(report.tokens[0].availability).sentence
    #expect(report.text(.plain, inDetail: true).rendered(.plain).contains("\n  availability: \(sentence)\n"))
    let terminal = TextStyle(isColoured: false, columns: 300)
    let table = report.text(terminal, inDetail: false).rendered(terminal)
    #expect(table.contains(/\n *TOKEN +STATE .* REQUESTS +AVAILABLE +FILE\n/) && table.contains(/good +99\.98 % +0/))
    let narrow = TextStyle(isColoured: false, columns: 80)
    #expect(report.text(narrow, inDetail: false).rendered(narrow).contains(/good +99\.98 %\n  0[0-9]+ \/dev\/null\n/))
    let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
    let token = try #require((object["tokens"] as? [[String: Any]])?.first)
    let availability = try #require(token["availability"] as? [String: Any])
    let gap = try #require(availability["longest_gap"] as? [String: Any])
    #expect(availability["available_seconds"] as? Double == Self.span - 190)
    #expect(availability["unavailable_seconds"] as? Double == 190)
    #expect(availability["percent"] as? Double == 99.98)
    #expect(availability["since"] as? String == Timestamp.rfc3339(Self.now.unix - Self.span, milliseconds: true))
    #expect(gap["seconds"] as? Double == 190)
    #expect(gap["started_at"] as? String == Timestamp.rfc3339(Self.gapStart, milliseconds: true))
    #expect(gap["cause"] as? String == "server-error")
  }

  @Test("without data, text, table and JSON are as before")
  func withoutData() {
    for report in [report(nil), report(Availability(hasToken: true, at: Self.before(59)))] {
      let text = report.text(.plain, inDetail: true).rendered(.plain)
      let style = TextStyle(isColoured: false, columns: 300)
      let table = report.text(style, inDetail: false).rendered(style)
      #expect(!(text + table + report.json()).lowercased().contains("availab"))
    }
  }

  // MARK: The next run

  @Test("the next run continues the count of a status file that it can believe")
  func nextRun() throws {
    let now = Moment.now()
    let clock = { (age: Double) in
      Moment(boot: now.boot - .seconds(age), unix: now.unix - age, monotonic: now.monotonic - .seconds(age))
    }
    let directory = "/dev/shm/konexus-\(UUID())"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var token = TokenStatus(name: "konexus", issuer: "https://auth.example.com", clientID: "c")
    token.availability = Availability(hasToken: true, at: clock(5))
    token.expiresAtBoot = clock(1).boot.nanoseconds
    func left(bootID: String = BootID.current) throws -> BrokerStatus {
      var file = StatusFile(directory: directory, allowsPersistentStorage: false)
      try file.write(
        BrokerStatus(
          pid: 7, bootID: bootID, writtenAt: now.unix - 3, startedAt: now.unix - 5, isReady: true,
          configuration: "/etc/config.toml", reloads: 0, tokens: [token],
          writtenAtMonotonic: clock(3).monotonic.nanoseconds))
      return try #require(StatusFile.left(in: directory))
    }
    func unavailable(_ previous: BrokerStatus, _ restored: RestoredToken?) -> Duration? {
      previous.availability(of: previous.tokens[0], restored: restored, at: now)?.totals(at: now.monotonic).unavailable
    }
    let times = RestoredToken(requestedAt: clock(4).boot, lifetime: .seconds(60))
    let ending = RestoredToken(requestedAt: clock(4).boot, lifetime: .seconds(3))
    #expect(unavailable(try left(), times) == .zero)
    #expect(unavailable(try left(), nil) == .seconds(1), "it expired a second ago")
    #expect(unavailable(try left(), ending) == .seconds(2), "a second is taken off its lifetime")
    #expect(unavailable(try left(bootID: "another boot"), times) == nil)
    #expect(unavailable(try left(bootID: ""), times) == nil)
    token.expiresAtBoot = (now.boot + .seconds(60)).nanoseconds
    #expect(unavailable(try left(), nil) == .seconds(3), "its file was lost at an unknown time")
  }
}
