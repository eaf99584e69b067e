import Glibc
import Testing
@testable import Base
@testable import Files
@testable import Publication
@testable import Report

@Suite struct RemainingBarTests {
  private static let now = Moment.now()

  private func table(columns: Int?, lifetime: Double, remaining: Double) -> String {
    var token = TokenStatus(name: "konexus", issuer: "https://auth.example", clientID: "c")
    token.expiresAtBoot = (Self.now.boot + .seconds(remaining)).nanoseconds
    token.expiresAt = Self.now.unix + remaining
    token.obtainedAt = Self.now.unix + remaining - lifetime
    token.outputs = [.init(path: "/dev/null", mode: "0640", format: "raw")]
    let status = BrokerStatus(
      pid: getpid(), bootID: BootID.current, writtenAt: Self.now.unix, startedAt: Self.now.unix, isReady: true,
      configuration: "/nonexistent/config.toml", reloads: 0, tokens: [token])
    let loaded = LoadedStatus(
      status: status, directory: "/nonexistent", owner: geteuid(), modified: 1e11, isLocked: true)
    let style = TextStyle(isColoured: false, columns: columns)
    return StatusReport(loaded, now: Self.now).text(style, inDetail: false).rendered(style)
  }

  @Test(arguments: [
    (3600.0, "##########"), (3599, "##########"), (1800, "#####-----"), (1801, "######----"), (1, "#---------"),
    (0, "----------"), (-60, "----------"), (7200, "##########"),
  ])
  func aTerminalShowsTheRemainingLifetime(_ remaining: Double, _ bar: String) {
    let table = table(columns: 120, lifetime: 3600, remaining: remaining)
    #expect(table.contains("  [\(bar)] \(remaining > 0 ? Timestamp.span(.seconds(remaining)) : "expired")  "))
  }

  @Test func thereIsNoBarWithoutRoomOrTerminal() {
    #expect(table(columns: 80, lifetime: 3600, remaining: 1800).contains("[#####-----]"))
    for columns in [nil, 40] { #expect(!table(columns: columns, lifetime: 3600, remaining: 1800).contains("[#")) }
  }

  @Test(arguments: [0, -1, .infinity, -.infinity, .nan, 5e-324])
  func aForgedLifetimeIsHarmless(_ lifetime: Double) {
    #expect(table(columns: 120, lifetime: lifetime, remaining: 60).contains("konexus"))
  }
}
