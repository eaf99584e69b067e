import Foundation
import Testing

@testable import Base
@testable import Engine
@testable import Publication

@Suite struct MetricsFileTests {
  @Test("each heartbeat is in the file, also one that comes a little early; what comes between them is not")
  func heartbeats() throws {
    let path = "/dev/shm/metrics-\(UInt64.random(in: .min ... .max)).prom"
    defer { unlink(path) }
    var file = MetricsFile(path: path)
    var status = BrokerStatus(
      pid: 7, bootID: "b", writtenAt: 1_764_000_000, startedAt: 1_763_999_000, isReady: true,
      configuration: "/etc/konexus-tokend/config.toml", reloads: 0, tokens: [])
    func written() throws -> Bool {
      try file.write(status)
      let text = try String(contentsOfFile: path, encoding: .utf8)
      return text.contains("last_heartbeat_timestamp_seconds \(Int(status.writtenAt))\n")
    }
    #expect(try written())
    for (pause, isDue) in [(13.0, true), (15, true), (2, false)] {
      status.writtenAt += pause
      #expect(try written() == isDue, "after \(pause) s")
    }
    status.isReady = false
    #expect(try written(), "what has changed is written at once")
  }

  @Test("no number that a server can cause ends the process", arguments: [9.4e12, -9.4e12, 6.8e16, 1e300, .infinity])
  func hugeNumbers(_ skew: Double) throws {
    var token = TokenStatus(name: "konexus", issuer: "https://auth.example.com", clientID: "c")
    token.clockSkew = skew
    let status = BrokerStatus(
      pid: 7, bootID: "b", writtenAt: 1_764_000_000, startedAt: 1_763_999_000, isReady: true,
      configuration: "/etc/konexus-tokend/config.toml", reloads: 0, tokens: [token])
    #expect(MetricsText.render(status).contains("clock_skew_seconds{token=\"konexus\"} 0\n"))
  }

  @Test("the times with and without a token are counted until the file is written")
  func availability() throws {
    func after(_ seconds: Double) -> Moment {
      Moment(
        boot: BootTime(seconds: 100 + seconds), unix: 1_764_000_000 + seconds,
        monotonic: BootTime(seconds: 100 + seconds))
    }
    let start = after(0)
    var token = TokenStatus(name: "konexus", issuer: "https://auth.example.com", clientID: "c")
    var status = BrokerStatus(
      pid: 7, bootID: "b", writtenAt: start.unix, startedAt: start.unix, isReady: true,
      configuration: "/etc/konexus-tokend/config.toml", reloads: 0, tokens: [token])
    func text(at seconds: Double) -> String {
      status.writtenAtMonotonic = after(seconds).monotonic.nanoseconds
      status.tokens = [token]
      return MetricsText.render(status)
    }
    #expect(!text(at: 5).contains("available_seconds"), "without a count there is no metric")
    var availability = Availability(hasToken: false, at: start)
    availability.record(hasToken: true, at: after(2.5))
    token.availability = availability
    #expect(
      text(at: 60).contains(
        """
        # HELP konexus_tokend_token_available_seconds_total For how long applications had a valid token, as far as is \
        known.
        # TYPE konexus_tokend_token_available_seconds_total counter
        konexus_tokend_token_available_seconds_total{token="konexus"} 57.5
        # HELP konexus_tokend_token_unavailable_seconds_total For how long applications had no valid token.
        # TYPE konexus_tokend_token_unavailable_seconds_total counter
        konexus_tokend_token_unavailable_seconds_total{token="konexus"} 2.5

        """))
    availability.record(hasToken: false, at: after(60))
    token.availability = availability
    #expect(text(at: 90).contains("token_available_seconds_total{token=\"konexus\"} 57.5\n"))
    #expect(text(at: 90).contains("token_unavailable_seconds_total{token=\"konexus\"} 32.5\n"))
  }
}
