import Base
import Engine
import Files
import Glibc
import Settings

/// The signals to one token's application.
struct ReaderNotification {
  /// `requestedAt` of the token that the application was last notified about.
  fileprivate var lastToken: BootTime?
  /// Why the last signal was not sent.
  fileprivate(set) var failure: ReaderSignal.Failure?

  /// Continues after new settings, so that a token is reported only once.
  mutating func inherit(from former: Self) { lastToken = former.lastToken }

  /// Notes a token that the previous run has reported.
  mutating func skip(_ requestedAt: BootTime) { lastToken = requestedAt }
}

/// Sends the `signal` of a token when its files hold a new one.
@BrokerActor final class ReaderNotifier {
  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let log: EventLog

  nonisolated init(_ tokens: ManagedTokens, _ loop: EngineLoop, _ log: EventLog) {
    self.tokens = tokens
    self.loop = loop
    self.log = log
  }

  /// Signals the token's application, unless this was done for this token.
  func notify(about token: ManagedToken) {
    guard let signal = token.settings.signal, let requestedAt = token.verifiedToken?.requestedAt.boot,
      requestedAt != token.notification.lastToken
    else { return }
    token.notification.lastToken = requestedAt
    let name = token.name
    // The process id is in a file, which can be on a disk that hangs.
    Task(executorPreference: BrokerActor.requests) {
      let result: Result<Void, ReaderSignal.Failure>
      do throws(FileCalls.Overdue) {
        result = try await FileCalls.run("signal \(name)") {
          Result { () throws(ReaderSignal.Failure) in try signal.send() }
        }
      } catch {
        result = .failure(ReaderSignal.Failure(problem: "\(error)"))
      }
      await self.finish(name, signal, result)
    }
  }

  private func finish(_ name: String, _ signal: ReaderSignal, _ result: Result<Void, ReaderSignal.Failure>) {
    guard let token = tokens[name], token.settings.signal == signal else { return }
    defer { loop.post(.statusChanged) }
    do throws(ReaderSignal.Failure) {
      try result.get()
      token.notification.failure = nil
    } catch {
      let isNews = token.notification.failure != error
      token.notification.failure = error
      // An application that does not run yet reads the new token when it starts.
      log.write(
        error.isAbsence || !isNews ? .debug : .warning,
        "\(name): the application was not signalled for the new token: \(error.problem)", .signalFailing, of: token)
    }
  }
}

extension ReaderSignal {
  /// Why a process did not get the signal.
  struct Failure: Error, Hashable {
    /// What failed, and the remedy.
    var problem: String
    /// Whether the process does not exist, or has ended.
    var isAbsence = false
  }

  /// Sends the signal to the process whose id is in the file.
  ///
  /// The file determines which process gets the signal. It must belong to root, to the daemon's user, or to the user
  /// that the process runs as. Other users must not be able to write to it.
  ///
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
      throw Failure(problem: "\(pidFile) is writable by others than its owner -> chmod go-w \(pidFile.shellQuoted)")
    }
    var buffer = [UInt8](repeating: 0, count: 32)
    let count = read(descriptor, &buffer, buffer.count)
    let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    let digits = text.prefix { !$0.isWhitespace }
    // 1 is the init of a host or container. 0 and -1 mean several processes. This process does not read tokens.
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
            "\(pidFile) belongs to user \(status.st_uid), and process \(process), which it names, "
            + "to user \(running.st_uid)"
        )
      }
    }
    return process
  }
}

extension ReaderSignal.Name {
  /// The number in signal(7).
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
