import Dispatch
import Glibc
import HTTP
import Synchronization
import Testing

@testable import Files

/// Calls on file systems that hang. Each test is in a process of its own: the lanes are the process's.
@Suite struct FileCallsTests {
  /// What calls on a file system that hangs wait for.
  private final class DeadDisk: Sendable {
    private let gate = DispatchSemaphore(value: 0)
    let calls = Atomic(0)

    /// Has so many lanes call, and waits until their callers have given up.
    func hang(_ lanes: Int) async {
      await withTaskGroup(of: Void.self) { group in
        for number in 0..<lanes {
          group.addTask {
            _ = try? await FileCalls.run("dead \(number)", limit: .milliseconds(500)) {
              FileCalls.note("/dead/\(number)")
              self.calls.add(1, ordering: .relaxed)
              self.gate.wait()
            }
          }
        }
      }
    }
  }

  @Test func tablesOfOneDeadDiskDoNotKeepOthersFromTheirFiles() async {
    await #expect(processExitsWith: .success) {
      let disk = DeadDisk()
      await disk.hang(60)
      for number in 0..<20 {
        let value = try? await FileCalls.run("well \(number)", limit: .seconds(2)) { number }
        #expect(value == number)
      }
      // Also when they ask just after those that hang.
      async let dead: Void = disk.hang(60)
      try await Task.sleep(for: .milliseconds(50))
      let value = try? await FileCalls.run("well", limit: .seconds(2)) { 1 }
      #expect(value == 1)
      await dead
    }
  }

  @Test func callsWithoutALimitGiveUpTheirPlaceToo() async {
    await #expect(processExitsWith: .success) {
      let gate = DispatchSemaphore(value: 0)
      for number in 0..<60 { FileCalls.start("dead \(number)") { gate.wait() } }
      let value = try? await FileCalls.run("well", limit: .seconds(12)) { 1 }
      #expect(value == 1)
    }
  }

  @Test func theNumberOfThreadsThatHangIsLimited() async {
    await #expect(processExitsWith: .success) {
      let disk = DeadDisk()
      for _ in 0..<3 { await disk.hang(300) }
      #expect(disk.calls.load(ordering: .relaxed) <= 160)
    }
  }

  @Test func aCallBehindOneThatHangsNamesTheFileOfThatOne() async {
    await #expect(processExitsWith: .success) {
      let disk = DeadDisk()
      await disk.hang(1)
      do throws(FileCalls.Overdue) {
        try await FileCalls.run("dead 0", limit: .milliseconds(100)) {}
        Issue.record("the lane is free")
      } catch {
        #expect(error.path == "/dead/0")
      }
    }
  }

  @Test(arguments: [
    TransportSettings(caFile: "/dead/ca.pem"), TransportSettings(clientCertificateFile: "/dead/certificate.pem"),
  ])
  func aRequestWhoseFilesWereNotReadNamesTheKindOfItsFiles(_ transport: TransportSettings) async throws {
    let lane = try #require(transport.fileLane)
    let gate = DispatchSemaphore(value: 0)
    FileCalls.start(lane) { gate.wait() }
    defer { gate.signal() }
    var request = HTTPRequest(url: "https://localhost:1/")
    request.transport = transport
    request.timeout = .milliseconds(200)
    do throws(HTTPFailure) {
      _ = try await HTTPClient().send(request)
      Issue.record("there is an answer")
    } catch {
      #expect(
        error.reason == .tls(transport.caFile == nil ? .clientCertificateUnusable : .caFileUnreadable), "\(error)")
    }
  }
}
