import Glibc
import Synchronization

/// A program that a test started, in a process group of its own. It does not outlive this value.
final class ChildProcess: Sendable {
  /// How a process ended.
  enum Ending: Hashable, Sendable {
    case exited(Int32)
    case killed(by: Int32)
  }

  let pid: pid_t
  private let known = Mutex<Ending?>(nil)
  private let dumped = Mutex(false)

  /// Starts `arguments[0]`, which is searched for in PATH, with only this environment and the options of a sanitizer.
  ///
  /// Its output goes to these files. Its input is empty unless a file is named.
  /// It inherits no other descriptor: neither a listening socket of a sandbox nor another child's files.
  init(
    _ arguments: [String], environment: [String: String], input: String = "/dev/null", output: String = "/dev/null",
    errors: String
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    for descriptor in Self.inheritable() { posix_spawn_file_actions_addclose(&actions, descriptor) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var pid: pid_t = 0
    let code = Self.withCStrings(arguments) { argv in
      Self.withCStrings(Self.sanitizerOptions + environment.map { "\($0)=\($1)" }) { envp in
        posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, envp)
      }
    }
    guard code == 0 else { throw HarnessError("cannot start \(arguments[0]): \(String(cString: strerror(code)))") }
    self.pid = pid
  }

  deinit {
    kill()
  }

  /// Whether the kernel wrote a core dump, to a file or to a program, when it ended.
  var hasDumpedCore: Bool { dumped.withLock { $0 } }

  /// How it ended; nil while it runs.
  var ending: Ending? { reap(waiting: false) }

  /// Waits for its end on this thread. Returns how it ended.
  @discardableResult
  func wait() -> Ending? { reap(waiting: true) }

  /// Sends it a signal, unless it has ended.
  func signal(_ number: Int32) {
    known.withLock { ending in
      // Not reaped yet: the number is still this process's.
      if ending == nil { _ = Glibc.kill(pid, number) }
    }
  }

  /// Ends it and all processes that it started, at once.
  func kill() {
    known.withLock { ending in
      if ending == nil { _ = Glibc.kill(-pid, SIGKILL) }
    }
    wait()
  }

  private func reap(waiting: Bool) -> Ending? {
    known.withLock { ending in
      if let ending { return ending }
      var status: Int32 = 0
      var got: pid_t
      repeat { got = waitpid(pid, &status, waiting ? 0 : WNOHANG) } while got < 0 && errno == EINTR
      guard got == pid else { return nil }
      let signal = status & 0x7f
      dumped.withLock { $0 = status & 0x80 != 0 }
      ending = signal == 0 ? .exited(status >> 8 & 0xff) : .killed(by: signal)
      return ending
    }
  }

  /// The open descriptors that a child would inherit.
  ///
  /// A child still inherits a descriptor that is opened meanwhile. That only keeps it open for longer.
  private static func inheritable() -> [Int32] {
    (3..<1024).filter { descriptor in
      let flags = fcntl(descriptor, F_GETFD)
      return flags >= 0 && flags & FD_CLOEXEC == 0
    }
  }

  /// ASAN_OPTIONS and TSAN_OPTIONS of the tests: the daemon beside them was built with the same sanitizer.
  private static let sanitizerOptions: [String] = ["ASAN_OPTIONS", "TSAN_OPTIONS"].compactMap { (name: String) in
    getenv(name).map { "\(name)=\(String(cString: $0))" }
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let pointers = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
  }
}

/// What the harness itself could not do.
struct HarnessError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}
