import Glibc
import Systemd
import Testing

/// libsystemd finds the socket in the environment, so each test is a process of its own, with a real socket in the
/// manager's place.
@Suite struct NotifierTests {
  @Test func sendsEachMessageToASocketAtAPath() async {
    await #expect(processExitsWith: .success) {
      let directory = try temporaryDirectory()
      defer {
        unlink(directory + "/notify")
        rmdir(directory)
      }
      let manager = try DatagramSocket(directory + "/notify")
      setenv("NOTIFY_SOCKET", directory + "/notify", 1)
      let notifier = Notifier()
      #expect(notifier.isSupervised)

      try notifier.status("waiting for https://auth.example")
      #expect(manager.receiveLines() == ["STATUS=waiting for https://auth.example"])
      try notifier.ready(status: "serving")
      #expect(manager.receiveLines() == ["READY=1", "STATUS=serving"])
      try notifier.watchdog()
      #expect(manager.receiveLines() == ["WATCHDOG=1"])
      try notifier.watchdog(status: "serving\nREADY=0")
      #expect(manager.receiveLines() == ["WATCHDOG=1", #"STATUS=serving\nREADY=0"#])
      try notifier.triggerWatchdog()
      #expect(manager.receiveLines() == ["WATCHDOG=trigger"])
      try notifier.extendTimeout(by: .milliseconds(30_500))
      #expect(manager.receiveLines() == ["EXTEND_TIMEOUT_USEC=30500000"])
      try notifier.extendTimeout(by: .seconds(-1))
      #expect(manager.receiveLines() == ["EXTEND_TIMEOUT_USEC=0"])
      try notifier.stopping(status: "stopped by SIGTERM")
      #expect(manager.receiveLines() == ["STOPPING=1", "STATUS=stopped by SIGTERM"])
      #expect(manager.receive() == nil)
    }
  }

  @Test func sendsToAnAbstractSocket() async {
    await #expect(processExitsWith: .success) {
      let address = "@systemd-tests/\(getpid())"
      let manager = try DatagramSocket(address)
      setenv("NOTIFY_SOCKET", address, 1)
      try Notifier().ready(status: "serving")
      #expect(manager.receiveLines() == ["READY=1", "STATUS=serving"])
    }
  }

  @Test func tellsWhenTheReloadBegan() async {
    await #expect(processExitsWith: .success) {
      let address = "@systemd-tests/\(getpid())"
      let manager = try DatagramSocket(address)
      setenv("NOTIFY_SOCKET", address, 1)
      let before = monotonicMicroseconds()
      try Notifier().reloading()
      let after = monotonicMicroseconds()
      let lines = try #require(manager.receiveLines())
      #expect(lines.first == "RELOADING=1")
      let time = try #require(lines.last?.split(separator: "=").last.flatMap { UInt64($0) })
      #expect(lines == ["RELOADING=1", "MONOTONIC_USEC=\(time)"])
      #expect(before <= time && time <= after)
    }
  }

  @Test func noStatusSetsAnotherValueOrIsTooLongForTheManager() async {
    await #expect(processExitsWith: .success) {
      let address = "@systemd-tests/\(getpid())"
      let manager = try DatagramSocket(address)
      setenv("NOTIFY_SOCKET", address, 1)
      let notifier = Notifier()
      try notifier.status("said:\nMAINPID=1\r\nREADY=1\0ERRNO=1\u{1b}[2J")
      #expect(manager.receiveLines() == [#"STATUS=said:\nMAINPID=1\r\nREADY=1\u{0}ERRNO=1\u{1b}[2J"#])
      try notifier.ready(status: String(repeating: "ü", count: 10_000))
      let datagram = try #require(manager.receive())
      // The manager drops what is longer than PIPE_BUF.
      #expect(datagram.count <= 4096)
      let text = String(decoding: datagram, as: UTF8.self)
      #expect(text.hasPrefix("READY=1\nSTATUS=ü"))
      #expect(text.hasSuffix("ü…"))
    }
  }

  @Test func withoutAManagerEveryCallIsANoOp() async {
    await #expect(processExitsWith: .success) {
      unsetenv("NOTIFY_SOCKET")
      let notifier = Notifier()
      #expect(!notifier.isSupervised)
      try notifier.ready(status: "serving")
      try notifier.reloading()
      try notifier.watchdog()
      try notifier.stopping(status: "")
    }
  }

  @Test func aManagerThatIsGoneIsAnErrorToLog() async {
    await #expect(processExitsWith: .success) {
      setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1)
      let failure = try #require(throws: SystemCallFailure.self) { try Notifier().watchdog() }
      #expect(failure == SystemCallFailure(call: "sd_notify", code: ENOENT))
      #expect(failure.description == "sd_notify: No such file or directory")
    }
  }

  @Test func watchdogIntervalIsThatOfThisProcess() async {
    await #expect(processExitsWith: .success) {
      let notifier = Notifier()
      unsetenv("WATCHDOG_PID")
      unsetenv("WATCHDOG_USEC")
      #expect(notifier.watchdogInterval() == nil)
      setenv("WATCHDOG_USEC", "30000000", 1)
      #expect(notifier.watchdogInterval() == .seconds(30))
      setenv("WATCHDOG_PID", "\(getpid())", 1)
      #expect(notifier.watchdogInterval() == .seconds(30))
      setenv("WATCHDOG_PID", "1", 1)
      #expect(notifier.watchdogInterval() == nil)
      setenv("WATCHDOG_PID", "\(getpid())", 1)
      for nonsense in ["", "0", "-5", "soon", "99999999999999999999999"] {
        setenv("WATCHDOG_USEC", nonsense, 1)
        #expect(notifier.watchdogInterval() == nil, "WATCHDOG_USEC=\(nonsense)")
      }
    }
  }
}

private func monotonicMicroseconds() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
}
