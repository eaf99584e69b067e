import Base
import Glibc
import Settings

extension ReaderSignal {
  /// Why a process was not told of a new token.
  struct Failure: Error, Hashable {
    /// What is wrong, and what to do.
    var problem: String
    /// Whether there is just no such process yet, or no longer: nobody to tell.
    var isAbsence = false
  }

  /// Sends the signal to the process whose id is in the file.
  ///
  /// The file decides whom the daemon signals: so it must belong to root, to the daemon's user, or to the very user that the process runs as, and nobody
  /// else may write to it.
  /// - Throws: `Failure` if there is no such process, or the file cannot be trusted.
  func send() throws(Failure) {
    let process = try self.process()
    guard kill(process, name.number) == 0 else {
      let code = errno
      throw Failure(
        problem: "cannot send SIG\(name.rawValue) to process \(process) of \(pidFile): \(SystemError.text(code))",
        isAbsence: code == ESRCH)
    }
  }

  private func process() throws(Failure) -> pid_t {
    let descriptor = open(pidFile, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      throw Failure(problem: "cannot read \(pidFile): \(SystemError.text(code))", isAbsence: code == ENOENT)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(problem: "\(pidFile) is no regular file")
    }
    guard status.st_mode & 0o022 == 0 else {
      throw Failure(problem: "\(pidFile) may be changed by others than its owner; type: chmod go-w \(pidFile)")
    }
    var buffer = [UInt8](repeating: 0, count: 32)
    let count = read(descriptor, &buffer, buffer.count)
    let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    let digits = text.prefix { !$0.isWhitespace }
    // 1 is the init of a host or container, 0 and -1 stand for many; whoever names us is wrong.
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let process = pid_t(digits), process > 1,
      process != getpid()
    else { throw Failure(problem: "\(pidFile) does not hold the id of a process") }
    if status.st_uid != 0, status.st_uid != geteuid() {
      var running = stat()
      guard stat("/proc/\(process)", &running) == 0 else {
        throw Failure(problem: "there is no process \(process), which \(pidFile) names", isAbsence: true)
      }
      guard running.st_uid == status.st_uid else {
        throw Failure(
          problem:
            "\(pidFile) belongs to user \(status.st_uid), and process \(process), which it names, to user \(running.st_uid)"
        )
      }
    }
    return process
  }
}

extension ReaderSignal.Name {
  /// As in signal(7).
  fileprivate var number: Int32 {
    switch self {
    case .hup: SIGHUP
    case .usr1: SIGUSR1
    case .usr2: SIGUSR2
    case .int: SIGINT
    case .term: SIGTERM
    }
  }
}
