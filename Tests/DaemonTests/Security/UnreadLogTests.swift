import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// A log that no program reads. Its lines are lost, and nothing else.
@Suite("A log that nobody reads", .inTurn)
struct UnreadLogTests {
  @Test("the token comes and is refreshed; once somebody reads, the log goes on", arguments: ["text", "json"])
  func fullPipe(format: String) async throws {
    try await withScene(lifetime: 6) { scene in
      let path = scene.workplace.path + "/pipe"
      try #require(mkfifo(path, 0o600) == 0)
      let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      let filler = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      try #require(reader >= 0 && filler >= 0)
      defer {
        close(reader)
        close(filler)
      }
      while write(filler, "0123456789abcde\n", 16) > 0 {}

      try scene.configure("[daemon]\nlog_format = \"\(format)\"\nlog_level = \"debug\"\n", scene.table())
      let daemon = try scene.startDaemon(
        environment: ["WATCHDOG_USEC": "2000000"],
        wrapper: ["sh", "-c", "pipe=$1; shift; exec \"$@\" >\"$pipe\" 2>&1", "sh", path])
      try await scene.ready()
      let reading = try await scene.startReader()
      try await scene.wait(for: "three refreshes") { scene.sandbox.counts[.token] >= 4 }
      #expect(daemon.process.ending == nil && scene.notify.count(of: "WATCHDOG=1") > 2)
      let report = reading.finish()
      #expect(report.refused.isEmpty && report.empty == 0 && report.gaps.isEmpty && report.tokens > 1, "\(report)")

      var text = ""
      try await scene.wait(for: "word of it in the log") {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(reader, &buffer, buffer.count), count > 0 {
          text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        return text.contains(" lost: ")
      }
      let lines = text.split(separator: "\n").filter { $0 != "0123456789abcde" }
      let first = try #require(lines.first)
      #expect(first.contains("log entries were lost: the log did not accept them in time"), "\(first)")
      #expect(!text.contains(scene.sandbox.clientSecret))
    }
  }
}
