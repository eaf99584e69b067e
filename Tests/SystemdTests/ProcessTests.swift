import CSystemd
import Dispatch
import Glibc
import Synchronization
import Systemd
import Testing

/// What changes a whole process is tried in one of its own.
@Suite struct ProcessTests {
  @Test func coreDumpsAreOff() async {
    await #expect(processExitsWith: .success) {
      try ProcessHardening.disableCoreDumps()
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
      #expect(limit.rlim_cur == 0 && limit.rlim_max == 0)
      #expect(csystemd_get_dumpable() == 0)
    }
  }

  @Test func socketsOfAnActivationAreTakenOnce() async {
    await #expect(processExitsWith: .success) {
      // The manager passes its sockets as descriptors 3, 4, ... Here they are whatever the process has there, or else a
      // file.
      for _ in 0...4 { _ = open("/dev/null", O_RDONLY) }
      setenv("LISTEN_PID", "\(getpid())", 1)
      setenv("LISTEN_FDS", "2", 1)
      setenv("LISTEN_FDNAMES", "credentials:status", 1)
      let taken = try ListenDescriptor.takeAll()
      #expect(taken.map(\.descriptor) == [3, 4])
      #expect(taken.map(\.name) == ["credentials", "status"])
      #expect(fcntl(3, F_GETFD) & FD_CLOEXEC != 0)
      #expect(getenv("LISTEN_FDS") == nil && getenv("LISTEN_PID") == nil && getenv("LISTEN_FDNAMES") == nil)
      let none = try ListenDescriptor.takeAll()
      #expect(none.isEmpty)
    }
  }

  @Test func anotherProcessesSocketsAreLeftAlone() async {
    await #expect(processExitsWith: .success) {
      setenv("LISTEN_PID", "1", 1)
      setenv("LISTEN_FDS", "2", 1)
      let none = try ListenDescriptor.takeAll()
      #expect(none.isEmpty)
    }
  }

  @Test func malformedActivationIsAnError() async {
    await #expect(processExitsWith: .success) {
      setenv("LISTEN_PID", "\(getpid())", 1)
      setenv("LISTEN_FDS", "many", 1)
      #expect(throws: SystemCallFailure(call: "sd_listen_fds_with_names", code: EINVAL)) {
        try ListenDescriptor.takeAll()
      }
    }
  }

  @Test func signalsArriveOnTheQueueUntilCancelled() async {
    await #expect(processExitsWith: .success) {
      parkMainThread()
      let queue = DispatchQueue(label: "signals")
      let (arrivals, arrival) = AsyncStream.makeStream(of: Int32.self)
      let signals = UnixSignals([SIGUSR1, SIGTERM, SIGHUP], queue: queue) { signal in
        dispatchPrecondition(condition: .onQueue(queue))
        arrival.yield(signal)
      }
      var iterator = arrivals.makeAsyncIterator()
      for signal in [SIGHUP, SIGUSR1, SIGTERM, SIGUSR1] {
        kill(getpid(), signal)
        #expect(await iterator.next() == signal)
      }
      signals.cancel()
    }
  }

  /// What makes a signal wait that comes before its source is armed.
  @Test func signalsAreBlockedFromTheFirstMoment() async {
    await #expect(processExitsWith: .success) {
      func blocked() -> [Int32] {
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        return [SIGHUP, SIGUSR2, SIGTERM].filter { sigismember(&mask, $0) == 1 }
      }
      var none = sigset_t()
      sigemptyset(&none)
      pthread_sigmask(SIG_SETMASK, &none, nil)
      let signals = UnixSignals([SIGUSR2, SIGTERM], queue: DispatchQueue(label: "signals")) { _ in }
      #expect(blocked() == [SIGUSR2, SIGTERM])
      signals.cancel()
      #expect(blocked() == [SIGUSR2, SIGTERM])
    }
  }

  @Test func anIgnoredSignalDoesNothing() async {
    await #expect(processExitsWith: .success) {
      UnixSignals.ignore(SIGPIPE)
      var ends: [Int32] = [-1, -1]
      try #require(pipe(&ends) == 0)
      close(ends[0])
      #expect(write(ends[1], "x", 1) == -1 && errno == EPIPE)
    }
  }
}

private let isMainThreadParked = Atomic(false)

/// Leaves the main thread in a handler with every signal blocked. It sits in `dispatchMain()` here, which lets every
/// signal through (see `UnixSignals`); the other threads are libdispatch's, which block them.
private func parkMainThread() {
  _ = isMainThreadParked.load(ordering: .relaxed)
  var action = sigaction()
  action.__sigaction_handler.sa_handler = { _ in
    isMainThreadParked.store(true, ordering: .releasing)
    while true { pause() }
  }
  sigfillset(&action.sa_mask)
  sigaction(SIGUSR2, &action, nil)
  kill(getpid(), SIGUSR2)
  while !isMainThreadParked.load(ordering: .acquiring) { usleep(1000) }
}
