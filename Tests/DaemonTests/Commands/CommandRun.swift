import Glibc

/// One run of `konexus-tokend` with its output, made comparable: what differs from run to run has a name in its place.
struct CommandRun: Sendable {
  /// The exit code; of a command that a signal ended, 128 more than the signal's number, as shells have it.
  let code: Int32
  let output: String
  let errors: String

  /// Runs the command to its end.
  ///
  /// With `onTerminal` it runs on a pseudo-terminal of 80 columns (script(1)), where output and errors are one stream.
  ///
  /// - Parameters:
  ///   - wrapper: a command that ends by executing its arguments, such as `["unshare", "-m"]`.
  ///   - input: a file that is its standard input.
  ///   - meanwhile: done while it runs, such as ending it.
  init(
    _ arguments: [String], in workplace: Workplace, environment: [String: String] = [:], onTerminal: Bool = false,
    wrapper: [String] = [], input: String = "/dev/null", meanwhile: (Running) async throws -> Void = { _ in }
  ) async throws {
    let stem = workplace.path + "/command.\(UInt64.random(in: .min ... .max))"
    var variables = [
      "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm",
      "RUNTIME_DIRECTORY": workplace.runtimeDirectory,
    ]
    variables.merge(environment) { $1 }
    var command = wrapper + [DaemonProcess.binary] + arguments
    if onTerminal {
      command = ["script", "--quiet", "--return", "--command", command.joined(separator: " "), "/dev/null"]
    }
    let process = try ChildProcess(
      command, environment: variables, input: input, output: stem + ".out", errors: stem + ".err")
    try await meanwhile(Running(process: process, stem: stem, workplace: workplace))
    var ending = process.ending
    while ending == nil {
      try await Task.sleep(for: .milliseconds(20))
      ending = process.ending
    }
    switch ending {
    case .exited(let code): self.code = code
    case .killed(let signal): code = 128 + signal
    case nil: throw HarnessError("\(arguments) has no ending")
    }
    output = Self.comparable(Workplace.read(stem + ".out") ?? "", workplace)
    errors = Self.comparable(Workplace.read(stem + ".err") ?? "", workplace)
  }

  /// A command that has not ended yet.
  struct Running {
    let process: ChildProcess
    fileprivate let stem: String
    fileprivate let workplace: Workplace

    /// What it wrote so far, made comparable.
    var output: String { CommandRun.comparable(Workplace.read(stem + ".out") ?? "", workplace) }

    /// What it wrote to standard error so far, made comparable.
    var errors: String { CommandRun.comparable(Workplace.read(stem + ".err") ?? "", workplace) }
  }

  /// The lines of the output.
  var lines: [String] { output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }

  fileprivate static func comparable(_ text: String, _ workplace: Workplace) -> String {
    let plain =
      text
      .replacing("\r\n", with: "\n")
      .replacing(workplace.path, with: "DIR")
      .replacing(/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC/, with: "TIME")
      .replacing(/"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z"/, with: "\"RFC3339\"")
      .replacing(/[0-9]+ (d|h|min|s)( [0-9]+ (h|min|s))?\b/, with: "SPAN")
      .replacing(/in SPAN|SPAN ago|\bnow\b/, with: "REL")
      .replacing(/\([0-9]+ ms\)/, with: "(MS)")
      .replacing(/pid [0-9]+/, with: "pid N")
      .replacing(/localhost:[0-9]+/, with: "localhost:PORT")
      .replacing(/port [0-9]+/, with: "port PORT")
      .replacing(/\b[0-9]{10}(\.[0-9]+)?\b/, with: "UNIX")
      .replacing(/"[0-9A-F]{32,}(ES256)?"/, with: "\"HEX\"")
      .replacing(/x5t: "[^"]*"/, with: "x5t: \"HASH\"")
      .replacing(/\(1 - 0\.[0-9]+\)/, with: "(1 - JITTER)")
      .replacing(/[0-9]+ bytes, mode/, with: "N bytes, mode")
      .replacing(", \(owner)", with: ", OWNER")
    // The step for the unit depends on the host that the tests run on.
    var lines: [Substring] = []
    var isUnit = false
    for line in plain.split(separator: "\n", omittingEmptySubsequences: false) {
      isUnit = line.contains(" unit  ") || isUnit && line.hasPrefix("    ")
      if !isUnit { lines.append(line) }
    }
    return lines.joined(separator: "\n")
  }

  /// Who the files of these tests belong to: `USER:GROUP`.
  private static let owner: String = {
    let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "\(geteuid())"
    let group = getgrgid(getegid()).map { String(cString: $0.pointee.gr_name) } ?? "\(getegid())"
    return "\(user):\(group)"
  }()
}
