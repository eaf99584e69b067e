import Dispatch
import Glibc
import Logging
import Systemd
import Testing

/// libsystemd finds the socket in the environment, so each test is a process of its own.
@Suite struct OutboxTests {
  /// An outbox whose first message waits, as if systemd did not read, until `release` is called.
  struct Held {
    let manager: DatagramSocket
    let outbox: Outbox
    private let gate = DispatchSemaphore(value: 0)

    init() throws {
      let address = "@systemd-tests/\(getpid())"
      manager = try DatagramSocket(address)
      setenv("NOTIFY_SOCKET", address, 1)
      outbox = Outbox(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      let begun = DispatchSemaphore(value: 0)
      outbox.send(.status) { [gate] _ in
        begun.signal()
        gate.wait()
      }
      begun.wait()
    }

    func ready(_ status: String) {
      outbox.send(.ready) { notifier throws(SystemCallFailure) in try notifier.ready(status: status) }
    }

    func reloading() {
      outbox.send(.reloading) { notifier throws(SystemCallFailure) in try notifier.reloading() }
    }

    func release() { gate.signal() }

    /// The first lines of all messages so far.
    func received() -> [String] {
      outbox.flush(until: .distantFuture)
      var lines: [String] = []
      while let message = manager.receiveLines() { lines.append(message[0]) }
      return lines
    }
  }

  @Test func aWaitingMessageIsReplacedByTheNextOfItsKind() async {
    await #expect(processExitsWith: .success) {
      let held = try Held()
      for text in ["one", "two"] {
        held.outbox.send(.status) { notifier throws(SystemCallFailure) in try notifier.status(text) }
      }
      held.ready("serving")
      held.release()
      #expect(held.received() == ["STATUS=two", "READY=1"])
    }
  }

  /// Otherwise, the end of an earlier reload could be sent without its beginning.
  @Test func aReloadThatBeginsReplacesTheEndOfAnEarlierOne() async {
    await #expect(processExitsWith: .success) {
      let held = try Held()
      held.reloading()
      held.ready("after the first reload")
      held.reloading()
      held.release()
      #expect(held.received() == ["RELOADING=1"])
      held.ready("after the second reload")
      #expect(held.received() == ["READY=1"])
    }
  }

  /// A daemon that is ready stays so for systemd, however long the reload takes.
  @Test func aReloadThatBeginsLeavesTheReadinessOfTheStart() async {
    await #expect(processExitsWith: .success) {
      let held = try Held()
      held.ready("after the start")
      held.reloading()
      held.release()
      #expect(held.received() == ["READY=1", "RELOADING=1"])
    }
  }

  @Test func theEndOfAReloadWhoseBeginningWasSentIsSentToo() async {
    await #expect(processExitsWith: .success) {
      let held = try Held()
      held.ready("after the first reload")
      held.reloading()
      held.reloading()
      held.release()
      #expect(held.received() == ["READY=1", "RELOADING=1"])
    }
  }

  @Test func aCompleteReloadStaysInOrder() async {
    await #expect(processExitsWith: .success) {
      let held = try Held()
      held.ready("after the start")
      held.reloading()
      held.ready("after the reload")
      held.release()
      #expect(held.received() == ["RELOADING=1", "READY=1"])
    }
  }
}
