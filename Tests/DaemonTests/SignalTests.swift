import Glibc
import KonexusSandbox
import Testing

/// Stopping, reloading, and the watchdog.
@Suite("Signals and the watchdog", .inTurn)
struct SignalTests {
  @Test(
    "SIGTERM and SIGINT stop it also during a request that hangs; the file stays",
    arguments: [SIGTERM, SIGINT], [false, true])
  func stop(signal: Int32, hangs: Bool) async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["timeout": "\"60s\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      if hangs {
        scene.sandbox.inject(.hang, at: [.token])
        try await scene.pass(1)
        daemon.signal(SIGUSR1)
        try await scene.wait(for: "the request") { scene.sandbox.counts[.token] == 2 }
      }
      let told = Clock.monotonic
      daemon.signal(signal)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      // A request of 60 s was under way. If the daemon had waited for it, this would show it on any machine.
      #expect(Clock.monotonic - told < 20)
      #expect(scene.token() == token && token != nil)
      #expect(scene.notify.messages.last { $0["STOPPING"] == "1" }?["STATUS"] != nil)
    }
  }

  @Test(
    "no thread lets a signal through: one that is taken by a handler is lost to the queue", arguments: [false, true])
  func blockedInEveryThread(isWatched: Bool) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(environment: isWatched ? ["WATCHDOG_USEC": "2000000"] : [:])
      try await scene.ready()
      let tasks = try Scene.files(in: "/proc/\(daemon.process.pid)/task")
      #expect(tasks.count > 1)
      for task in tasks {
        // A thread may have ended meanwhile.
        guard let status = Workplace.read("/proc/\(daemon.process.pid)/task/\(task)/status") else { continue }
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
        let blocked = try #require(UInt64(line.dropFirst("SigBlk:".count).filter { !$0.isWhitespace }, radix: 16))
        for signal in [SIGHUP, SIGINT, SIGUSR1, SIGTERM] {
          #expect(blocked & 1 << UInt64(signal - 1) != 0, "signal \(signal) in task \(task)")
        }
      }
    }
  }

  @Test(
    "it stops at once, also during a request that hangs: most of five stops within a second, each in seconds",
    arguments: [SIGTERM, SIGINT])
  func stopsAtOnce(signal: Int32) async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["timeout": "\"60s\""]))
      var stops: [Double] = []
      for round in 1...5 {
        let daemon = try scene.startDaemon()
        try await scene.wait(for: "READY=1") { scene.notify.count(of: "READY=1") == round }
        if round == 1 { scene.sandbox.inject(.hang, at: [.token]) }
        let requests = scene.sandbox.counts[.token]
        try await scene.wait(for: "the request") {
          daemon.signal(SIGUSR1)
          return scene.sandbox.counts[.token] > requests
        }
        let begin = Clock.monotonic
        daemon.signal(signal)
        #expect(try await scene.ending(of: daemon) == .exited(0))
        stops.append(Clock.monotonic - begin)
      }
      // A busy machine may hold up one or two of them. What the daemon itself waits for would be in most of them.
      #expect(stops.sorted()[2] < 1, "\(stops)")
      #expect(stops.allSatisfy { $0 < 20 }, "\(stops)")
    }
  }

  @Test("a daemon that has no token yet stops as well")
  func stopBeforeReady() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.hangOnAccept)
      try scene.configure(scene.table("konexus", ["timeout": "\"60s\""]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the connection") { scene.sandbox.counts.connections > 0 }
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.token() == nil)
    }
  }

  @Test("SIGHUP: RELOADING=1 with the time, then READY=1; tokens whose settings did not change go on untouched")
  func reload() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the second READY=1") { scene.notify.count(of: "READY=1") == 2 }
      let messages = scene.notify.messages
      let reloading = try #require(messages.firstIndex { $0["RELOADING"] == "1" })
      let readyAgain = try #require(messages.lastIndex { $0["READY"] == "1" })
      #expect(reloading < readyAgain)
      let stamp = try #require(messages[reloading]["MONOTONIC_USEC"].flatMap(Double.init))
      #expect(stamp / 1e6 <= messages[reloading].time && stamp / 1e6 > messages[reloading].time - 30)
      try await scene.pass(1.5)
      #expect(scene.sandbox.counts[.token] == 1)
      #expect(scene.token() == token)
    }
  }

  @Test("every SIGHUP of a burst is answered, and the last settings hold")
  func reloadBurst() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      for _ in 0..<20 { daemon.signal(SIGHUP) }
      try scene.configure(scene.table(), scene.table("added"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the added token") { scene.token("added") != nil }
      // An end that was not sent yet when the next reload began is replaced by the end of that one.
      try await scene.wait(for: "an end behind the last beginning") {
        let messages = scene.notify.messages
        guard let begun = messages.lastIndex(where: { $0["RELOADING"] == "1" }) else { return false }
        return messages[begun...].contains { $0["READY"] == "1" }
      }
      #expect(scene.notify.count(of: "READY=1") <= scene.notify.count(of: "RELOADING=1") + 1)
    }
  }

  @Test("systemd gets the newest status last, also if a heartbeat with a former one waited")
  func newestStatusLast() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "6000000"])
      try await scene.ready()
      func heartbeats() -> Int { scene.notify.messages.count { $0["WATCHDOG"] == "1" } }
      let heartbeatsAtStart = heartbeats()
      try await scene.wait(for: "a heartbeat") { heartbeats() > heartbeatsAtStart }
      scene.notify.freeze()
      let heartbeatsBefore = heartbeats()
      let before = scene.notify.messages.count
      scene.sandbox.inject(.status(503), at: [.token])
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
      // Meanwhile comes a heartbeat with the failure, which waits behind the status.
      try await scene.pass(4)
      scene.sandbox.clearFaults()
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a success") { daemon.status.map { $0.tokens.first?.failure == nil } ?? false }
      scene.notify.thaw()
      func statuses() -> [String] { scene.notify.messages[before...].compactMap { $0["STATUS"] } }
      try await scene.wait(for: "a status without failure") { statuses().contains { !$0.contains("503") } }
      try await scene.wait(for: "a heartbeat") { heartbeats() > heartbeatsBefore }
      let first = try #require(statuses().firstIndex { !$0.contains("503") })
      #expect(statuses()[first...].allSatisfy { !$0.contains("503") })
    }
  }

  @Test("the watchdog is fed twice in its interval, also through an outage")
  func watchdog() async throws {
    try await withScene(lifetime: 4) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "2000000"])
      try await scene.ready()
      await scene.sandbox.down()
      try await scene.wait(for: "the token's end") { scene.token() == nil }
      try await scene.wait(for: "eight beats") { scene.notify.count(of: "WATCHDOG=1") >= 8 }
      let beats = scene.notify.messages.filter { $0["WATCHDOG"] == "1" }.map(\.time)
      let waits = zip(beats, beats.dropFirst()).map { $1 - $0 }
      #expect(waits.allSatisfy { $0 < 2 }, "a beat came late: \(waits)")
      // A busy machine may delay some beats, but not most of them.
      #expect(waits.sorted()[waits.count / 2] < 1.5, "it beats once in its interval: \(waits)")
      #expect(daemon.process.ending == nil)
    }
  }

  @Test("without WATCHDOG_USEC there are no beats")
  func unwatched() async throws {
    try await withScene(lifetime: 4) { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      try await scene.pass(3)
      #expect(scene.notify.count(of: "WATCHDOG=1") == 0)
    }
  }

  @Test("a stopped daemon sends no beat; one that goes on is right at once")
  func stoppedAndContinued() async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "1000000"])
      try await scene.ready()
      daemon.signal(SIGSTOP)
      try await scene.pass(0.5)
      let beats = scene.notify.count(of: "WATCHDOG=1")
      // This is longer than the lifetime of its token. Nothing can remove the file meanwhile, as in a frozen cgroup.
      try await scene.pass(6.5)
      #expect(scene.notify.count(of: "WATCHDOG=1") == beats)
      let before = scene.token()
      daemon.signal(SIGCONT)
      try await scene.wait(for: "a fresh token") { scene.token().map { $0 != before } ?? false }
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
    }
  }

  @Test("a notify socket that is gone is worth one line in the log, and no more")
  func notifySocketGone() async throws {
    try await withScene(lifetime: 4) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(
        environment: ["NOTIFY_SOCKET": scene.workplace.path + "/nobody", "WATCHDOG_USEC": "1000000"],
        isSupervised: false)
      let reader = try await scene.startReader()
      try await scene.wait(for: "three tokens") { reader.report().tokens >= 3 }
      #expect(daemon.log(with: "cannot notify systemd").count == 1, "\(daemon.log)")
      #expect(reader.finish().gaps.isEmpty)
    }
  }

  @Test("a service manager that has frozen holds up neither a token, nor a reload, nor the end")
  func frozenManager() async throws {
    try await withScene(lifetime: 4) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "1000000"])
      try await scene.ready()
      scene.notify.freeze()
      let reader = try await scene.startReader()
      try await scene.wait(for: "four tokens") { reader.report().tokens >= 4 }
      try scene.configure(scene.table(), scene.table("added"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the added token") { scene.token("added") != nil }
      let beats = scene.notify.count(of: "WATCHDOG=1")
      scene.notify.thaw()
      try await scene.wait(for: "what it had to tell") {
        scene.notify.count(of: "WATCHDOG=1") >= beats + 3 && scene.notify.count(of: "READY=1") == 2
          && scene.notify.messages.contains { $0["RELOADING"] == "1" }
      }
      #expect(reader.finish().gaps.isEmpty)
      scene.notify.freeze()
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
    }
  }

  @Test("what a frozen service manager does not read does not accumulate: the newest of each kind is sent, in order")
  func frozenManagerBacklog() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let before = scene.notify.messages.count
      scene.notify.freeze()
      for number in 1...12 {
        try scene.configure(scene.table("konexus", ["unknown_key_\(number)": "1"]))
        daemon.signal(SIGHUP)
        try await scene.wait(for: "reload \(number)") { daemon.status?.reloads == number }
      }
      scene.notify.thaw()
      try await scene.wait(for: "the end of the last reload") {
        scene.notify.messages.last { $0["READY"] == "1" }?["STATUS"]?.contains("unknown_key_12") ?? false
      }
      let sent = scene.notify.messages[before...].filter { !$0.lines.contains("FILLER=1") }
      // The one that was on its way, one of each kind, and the end of the last reload if that came after the thaw.
      #expect(sent.count <= 5, "\(sent)")
      #expect(sent.last?["READY"] == "1" && sent.dropFirst().contains { $0["RELOADING"] == "1" }, "\(sent)")
    }
  }

  @Test("neither its arguments nor its environment hold the secret, and it cannot be dumped")
  func procfs() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let secret = scene.sandbox.clientSecret
      for file in ["cmdline", "environ", "comm", "status"] {
        let text = Workplace.read("/proc/\(daemon.process.pid)/\(file)") ?? ""
        #expect(!text.contains(secret), "\(file)")
        #expect(file == "environ" || !text.isEmpty)
      }
      let limits = Workplace.read("/proc/\(daemon.process.pid)/limits") ?? ""
      let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
      #expect(core.split(separator: " ").filter { $0 == "0" }.count == 2, "\(core)")
    }
  }

  /// Another user than root, whom capabilities would let into any process.
  private static let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

  @Test(
    "other processes of its own user can neither trace it nor read its memory or its environment",
    .enabled(if: geteuid() == 0, "needs root, to be another user"))
  func undumpable() async throws {
    try await withScene { scene in
      try scene.configure()
      for path in [
        scene.workplace.path, scene.workplace.runtimeDirectory, scene.workplace.configFile, scene.notify.path,
      ] {
        #expect(chown(path, 65534, 65534) == 0)
      }
      let daemon = try scene.startDaemon(wrapper: Self.nobody)
      try await scene.ready()
      // The same user's process that has not hidden itself: it is not for another reason that what follows is denied.
      let open = try ChildProcess(
        Self.nobody + ["sleep", "600"], environment: ["PATH": "/usr/bin:/bin"], errors: "/dev/null")
      try await scene.wait(for: "the other process") {
        (Workplace.read("/proc/\(open.pid)/cmdline") ?? "").hasPrefix("sleep")
      }
      func succeeds(_ command: String, on pid: pid_t) async throws -> Bool {
        let attempt = try ChildProcess(
          Self.nobody + ["perl", "-e", command, "\(pid)"], environment: ["PATH": "/usr/bin:/bin"], errors: "/dev/null")
        try await scene.wait(for: "the attempt's end") { attempt.ending != nil }
        return attempt.ending == .exited(0)
      }
      let attempts = [
        // PTRACE_SEIZE, on the two machines that Debian's amd64 and arm64 run on.
        "use POSIX; my $n = (POSIX::uname())[4] eq 'x86_64' ? 101 : 117;"
          + "exit(syscall($n, 0x4206, $ARGV[0]+0, 0, 0) == 0 ? 0 : 1)",
        "exit(open(my $f, '<', qq(/proc/$ARGV[0]/mem)) ? 0 : 1)",
        "exit(open(my $f, '<', qq(/proc/$ARGV[0]/environ)) ? 0 : 1)",
        "exit(open(my $f, '<', qq(/proc/$ARGV[0]/maps)) ? 0 : 1)",
      ]
      for attempt in attempts {
        #expect(try await succeeds(attempt, on: open.pid), "\(attempt)")
        #expect(try await !succeeds(attempt, on: daemon.process.pid), "\(attempt)")
      }
      var status = stat()
      #expect(stat("/proc/\(daemon.process.pid)", &status) == 0 && status.st_uid == 65534)
      // Files of an undumpable process are root's (proc(5)).
      #expect(stat("/proc/\(daemon.process.pid)/environ", &status) == 0 && status.st_uid == 0)
      #expect(stat("/proc/\(open.pid)/environ", &status) == 0 && status.st_uid == 65534)
    }
  }
}
