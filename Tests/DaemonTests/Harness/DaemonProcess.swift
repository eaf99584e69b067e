import Broker
import Glibc
import Publication

/// The daemon as a process: the binary that was built beside the tests, `konexus-tokend run`.
final class DaemonProcess: Sendable {
  let process: ChildProcess
  let workplace: Workplace
  /// Its log.
  let errors: String
  /// All that it was started with.
  let environment: [String: String]

  /// - Parameters:
  ///   - workplace: Where its configuration and its runtime directory are.
  ///   - environment: Added to what it needs.
  ///   - wrapper: A command that ends by executing its arguments, such as `["unshare", "-m"]`.
  init(in workplace: Workplace, environment: [String: String] = [:], wrapper: [String] = []) throws {
    self.workplace = workplace
    errors = workplace.path + "/log.\(UInt32.random(in: .min ... .max))"
    var variables = [
      "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "RUNTIME_DIRECTORY": workplace.runtimeDirectory,
    ]
    variables.merge(environment) { $1 }
    self.environment = variables
    process = try ChildProcess(
      wrapper + [Self.binary, "run", "--config", workplace.configFile], environment: variables, errors: errors)
  }

  /// The daemon's binary lies beside the tests' own.
  static let binary: String = {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { bytes in
      bytes.baseAddress.map { readlink("/proc/self/exe", $0, bytes.count) } ?? 0
    }
    let tests = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    return tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)] + "/konexus-tokend"
  }()

  /// What it logged so far.
  var log: String { Workplace.read(errors) ?? "" }

  /// The lines of the log that contain all of the words.
  func log(with words: String...) -> [String] {
    log.split(separator: "\n").map(String.init).filter { line in words.allSatisfy { line.contains($0) } }
  }

  /// What `status.json` says; nil if there is none yet.
  var status: BrokerStatus? { try? StatusFile.read(from: workplace.runtimeDirectory) }

  /// Whether it has ended, except for a thread that hangs in a system call. The parent is not notified of such an end.
  var isZombie: Bool {
    Self.fields(of: "/proc/\(process.pid)").first == "Z"
  }

  func signal(_ number: Int32) { process.signal(number) }

  /// Stops it until SIGCONT. Returns when none of its threads runs any more, which is a little after the signal.
  func pause() throws {
    signal(SIGSTOP)
    let tasks = "/proc/\(process.pid)/task"
    let end = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < end {
      let numbers = try Scene.files(in: tasks).filter { !$0.hasPrefix(".") }
      let states = numbers.map { Self.fields(of: "\(tasks)/\($0)").first }
      if !states.isEmpty, states.allSatisfy({ $0 == "T" }) { return }
      usleep(1000)
    }
    throw HarnessError("the daemon does not stop by SIGSTOP")
  }

  /// What it has spent of a processor's time, in seconds: fields 14 and 15 of proc_pid_stat(5).
  var processorTime: Double? {
    let fields = Self.fields(of: "/proc/\(process.pid)").map { Double($0) }
    // The first field here is the third one of the file.
    guard fields.count > 12, let user = fields[11], let system = fields[12] else { return nil }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// The fields of a process or thread behind its name, which is in parentheses. The state is the first one.
  private static func fields(of directory: String) -> [Substring] {
    guard let text = Workplace.read(directory + "/stat"), let end = text.lastIndex(of: ")") else { return [] }
    return text[end...].dropFirst().split(whereSeparator: \.isWhitespace)
  }
}
