public import ArgumentParser
import Base
import Files
import Glibc
import Publication
import Report
import Settings
import Systemd

/// The runtime directory of the daemon, for the commands that read its status.
struct StatusOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Runtime directory (default: /run/konexus-tokend).", valueName: "dir"),
    completion: .directory)
  var directory: String?

  /// The runtime directory.
  var path: String {
    // In a unit, RUNTIME_DIRECTORY is the directory of that unit, which can be an application.
    let environment = getenv("INVOCATION_ID") == nil ? RuntimeEnvironment.current : RuntimeEnvironment()
    return directory ?? environment.tokenDirectory
  }

  /// The current report. Ends the command with 3 if there is none.
  func report() -> StatusReport {
    do throws(StatusFile.Unavailable) {
      return StatusReport(try StatusFile.find(in: path))
    } catch {
      CommandLineError.exit(error.problem, next: error.remedy, code: 3)
    }
  }

  /// Why there is no status, and the exit code. It is 2 if the host's service should run but does not, otherwise 3.
  func explain(_ error: StatusFile.Unavailable) -> (error: StatusFile.Unavailable, code: Int32) {
    guard error.isMissing, path == RuntimeEnvironment().tokenDirectory, ServiceUnit.isSystemdRunning,
      let properties = ServiceUnit(named: InstalledService.name, inDetail: false)?.properties,
      properties["LoadState"] == "loaded", let state = properties["ActiveState"]
    else { return (error, 3) }
    guard state != "active" else {
      return (
        StatusFile.Unavailable(
          problem: "applications have no token: \(path) was removed while \(InstalledService.name) is active",
          remedy: "systemctl restart konexus-tokend"), 2
      )
    }
    let result = properties["Result"].map { $0 == "success" ? "" : ", last result: \($0)" } ?? ""
    // The last status text. After a stop, it is not the reason.
    let text = state == "inactive" ? "" : properties["StatusText"].map { $0.isEmpty ? "" : ": \($0)" } ?? ""
    return (
      StatusFile.Unavailable(
        problem: "applications have no token: \(InstalledService.name) is \(state)\(result)\(text)",
        remedy: "journalctl -u konexus-tokend -n 50"), 2
    )
  }

  /// The token with that name, or the only one. Ends the command with 3 if there is none.
  func token(_ name: String?, in report: StatusReport) -> StatusReport.Token {
    do throws(TokenFileReader.Refusal) { return try find(name, in: report) } catch {
      CommandLineError.exit(error, after: .zero)
    }
  }

  /// The token with that name, or the only one.
  ///
  /// - Throws: a refusal if there is none. It is final if the daemon is ready. While the daemon starts, its status can
  ///   lack tokens.
  func find(_ name: String?, in report: StatusReport) throws(TokenFileReader.Refusal) -> StatusReport.Token {
    if name == nil, report.tokens.count == 1 { return report.tokens[0] }
    if let name, let token = report.tokens.first(where: { $0.status.name == name }) { return token }
    // A forged status can have any number of tokens.
    let names = report.status.tokens.prefix(20).map(\.name) + (report.status.tokens.count > 20 ? ["..."] : [])
    throw TokenFileReader.Refusal(
      problem: name.map { "there is no token \(CommandLineError.quoted($0))" } ?? "there are several tokens",
      remedy: "name one of: \(names.joined(separator: ", "))", code: 3,
      isFinal: report.daemonState == .running && report.status.isReady)
  }
}

extension StatusProbe: ExpressibleByArgument {}

extension StatusOptions {
  /// Passes the current report to `take` until it succeeds or `waitLimit` is over.
  ///
  /// - Throws: the last error of `take`, or a final one at once.
  func poll<Result>(
    for waitLimit: Duration, take: (StatusReport) throws(TokenFileReader.Refusal) -> Result
  ) throws(TokenFileReader.Refusal) -> Result {
    if getpid() == 1 { Self.endOnSignals() }
    let deadline = Moment.now().boot + waitLimit
    var watch = StatusWatch(of: path)
    while true {
      watch.prepare()
      let left = deadline - Moment.now().boot
      do throws(TokenFileReader.Refusal) { return try take(look(isLast: left <= .zero)) } catch {
        if error.isFinal || left <= .zero { throw error }
      }
      watch.pause(atMost: left)
    }
  }

  /// The current report. Only the last attempt asks systemd why there is none.
  private func look(isLast: Bool) throws(TokenFileReader.Refusal) -> StatusReport {
    do throws(StatusFile.Unavailable) {
      return StatusReport(try StatusFile.find(in: path))
    } catch {
      let explanation = isLast ? explain(error) : (error, 3)
      throw TokenFileReader.Refusal(
        problem: explanation.0.problem, remedy: explanation.0.remedy, code: explanation.1)
    }
  }

  /// Ends the process on signals. The kernel ignores a signal without a handler for process 1, as in a container.
  private static func endOnSignals() {
    for number in [SIGTERM, SIGINT] { signal(number) { _exit(128 + $0) } }
  }
}

/// A duration on the command line: `30s`, `5m`, `1h30m`, or a number of seconds.
struct TimeSpan: CustomStringConvertible {
  var duration: Duration

  init(_ duration: Duration) { self.duration = duration }

  /// Parses an argument, for options' `transform`.
  init(argument: String) throws {
    guard let duration = Duration(settingText: argument) else {
      throw ValidationError("use a time such as 30s, 5m, 1h30m, or a number of seconds.")
    }
    self.duration = duration
  }

  var description: String {
    let seconds = duration.components.seconds
    return seconds >= 600 && seconds % 60 == 0 ? "\(seconds / 60)m" : "\(seconds)s"
  }
}

/// Shell completion of token names.
enum TokenNames {
  static let completion = CompletionKind.custom { words, _, _ in candidates(for: words) }

  /// The names in the file of `--config`, otherwise in the status of `--directory` or of the service.
  ///
  /// A member of the group can read the status. Of a configuration file, only the lines with a table's name are used.
  private static func candidates(for words: [String]) -> [String] {
    func value(_ options: String...) -> String? {
      for (index, word) in words.enumerated() {
        if options.contains(word), index + 1 < words.count { return words[index + 1] }
        if let option = options.first(where: { word.hasPrefix($0 + "=") }) {
          return String(word.dropFirst(option.count + 1))
        }
      }
      return nil
    }
    let names: [String]
    if let path = value("--config", "-c") {
      names = FileContent.tableNames(of: path, in: "token")
    } else {
      let directory = value("--directory") ?? RuntimeEnvironment.current.tokenDirectory
      names = (try? StatusFile.find(in: directory))?.status.tokens.map(\.name) ?? []
    }
    return names.filter(isName)
  }

  /// Whether the configuration allows the name. The status can be forged.
  private static func isName(_ text: String) -> Bool {
    (1...63).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
          || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
      }
  }
}
