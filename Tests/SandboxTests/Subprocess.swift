import Dispatch
import Glibc

/// A child process whose standard output can be read.
struct Subprocess: Sendable {
  let identifier: pid_t
  private let output: CInt

  struct Failed: Error {
    var errno: CInt
  }

  /// Starts a command that is found along PATH.
  init(_ arguments: [String]) throws {
    var pair: [CInt] = [0, 0]
    // Not a pipe: a socket pair is born closed to the other processes that are spawned meanwhile.
    guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
      throw Failed(errno: errno)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pair[1], 1)
    // The threads of Dispatch block signals, and a child would inherit that: SIGTERM could not end it.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var vector = arguments.map { strdup($0) } + [nil]
    defer { for pointer in vector { free(pointer) } }
    var process = pid_t()
    let result = posix_spawnp(&process, arguments[0], &actions, &attributes, &vector, environ)
    close(pair[1])
    guard result == 0 else {
      close(pair[0])
      throw Failed(errno: result)
    }
    identifier = process
    output = pair[0]
  }

  /// What it writes until it closes its output. Blocks.
  func readToEnd() -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(output, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The next line that it writes, without its end; nil when there are no more. Blocks.
  func readLine() -> String? {
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while read(output, &byte, 1) == 1 {
      if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
    }
    return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
  }

  /// Waits for its end; its exit status, or 128 and the signal that ended it. Blocks.
  func wait() -> Int32 {
    var status: CInt = 0
    while waitpid(identifier, &status, 0) == -1, errno == EINTR {}
    close(output)
    return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
  }
}

/// Runs a blocking function on a serial queue, which has its own thread.
///
/// The global queues share their threads with Swift's tasks, which must not wait.
func offPool<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
  await withCheckedContinuation { continuation in
    DispatchQueue(label: "blocking").async { continuation.resume(returning: body()) }
  }
}
