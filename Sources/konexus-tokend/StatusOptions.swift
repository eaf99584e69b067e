public import ArgumentParser
import Base
import Broker
import Glibc
import Publication
import Report
import Settings
import Systemd

/// Where the running daemon tells how it is: shared by the commands that read it.
struct StatusOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Runtime directory (default: /run/konexus-tokend).", valueName: "dir"),
    completion: .directory)
  var directory: String?

  /// The directory to look in.
  var path: String {
    // In a unit, RUNTIME_DIRECTORY names the directory of that unit, such as that of a program which reads the token.
    let environment = getenv("INVOCATION_ID") == nil ? RuntimeEnvironment.current : RuntimeEnvironment()
    return directory ?? environment.tokenDirectory
  }

  /// The status, judged now; ends the command with 3 if there is none.
  func report() -> StatusReport {
    do throws(StatusFile.Unavailable) {
      return StatusReport(try StatusFile.find(in: path))
    } catch {
      CommandLineError.end(error.problem, next: error.remedy, code: 3)
    }
  }

  /// Why there is no status, and the exit code for it: 2 if the host's service should run and does not, so that readers lack their tokens; else 3.
  func explain(_ error: StatusFile.Unavailable) -> (error: StatusFile.Unavailable, code: Int32) {
    guard error.isMissing, path == RuntimeEnvironment().tokenDirectory, ServiceUnit.isSystemdRunning,
      let properties = ServiceUnit(named: InstalledService.name, inDetail: false)?.properties,
      properties["LoadState"] == "loaded", let state = properties["ActiveState"]
    else { return (error, 3) }
    guard state != "active" else {
      return (
        StatusFile.Unavailable(
          problem: "readers have no token: \(path) was removed while \(InstalledService.name) is active",
          remedy: "systemctl restart konexus-tokend"), 2
      )
    }
    let result = properties["Result"].map { $0 == "success" ? "" : ", last result: \($0)" } ?? ""
    // What the daemon reported last. After a stop, that is no reason.
    let text = state == "inactive" ? "" : properties["StatusText"].map { $0.isEmpty ? "" : ": \($0)" } ?? ""
    return (
      StatusFile.Unavailable(
        problem: "readers have no token: \(InstalledService.name) is \(state)\(result)\(text)",
        remedy: "type: journalctl -u konexus-tokend -n 50"), 2
    )
  }

  /// The token of that name, or the only one; ends the command with 3 if there is none such.
  func token(_ name: String?, in report: StatusReport) -> StatusReport.Token {
    do throws(TokenFileReader.Refusal) { return try find(name, in: report) } catch {
      CommandLineError.end(error, after: .zero)
    }
  }

  /// The token of that name, or the only one.
  ///
  /// - Throws: a refusal if there is none such. It is hopeless if the daemon runs and is ready. While the daemon starts,
  ///   its status may not have every token yet.
  func find(_ name: String?, in report: StatusReport) throws(TokenFileReader.Refusal) -> StatusReport.Token {
    if name == nil, report.tokens.count == 1 { return report.tokens[0] }
    if let name, let token = report.tokens.first(where: { $0.status.name == name }) { return token }
    // A forged status can name any number of tokens.
    let names = report.status.tokens.prefix(20).map(\.name) + (report.status.tokens.count > 20 ? ["..."] : [])
    throw TokenFileReader.Refusal(
      problem: name.map { "there is no token \(CommandLineError.quoted($0))" } ?? "there are several tokens",
      remedy: "name one of: \(names.joined(separator: ", "))", code: 3,
      isFinal: report.daemonState == .running && report.status.isReady)
  }
}

extension StatusProbe: ExpressibleByArgument {}

extension StatusOptions {
  /// Passes the status to `take` again and again, until `take` succeeds or `waitLimit` is over.
  ///
  /// - Throws: what the last attempt met; a hopeless refusal at once.
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

  /// The status, judged now. Only the last look asks systemd why there is none.
  private func look(isLast: Bool) throws(TokenFileReader.Refusal) -> StatusReport {
    do throws(StatusFile.Unavailable) {
      return StatusReport(try StatusFile.find(in: path))
    } catch {
      let explanation = isLast ? explain(error) : (error, 3)
      throw TokenFileReader.Refusal(
        problem: explanation.0.problem, remedy: explanation.0.remedy, code: explanation.1)
    }
  }

  /// The kernel ignores a signal without a handler for process 1, as in a container.
  private static func endOnSignals() {
    for number in [SIGTERM, SIGINT] { signal(number) { _exit(128 + $0) } }
  }
}

/// A length of time on the command line: `30s`, `5m`, `1h30m`, or a number of seconds.
struct TimeSpan: ExpressibleByArgument {
  var duration: Duration

  init(_ duration: Duration) { self.duration = duration }

  init?(argument: String) {
    guard let duration = Duration(settingText: argument) else { return nil }
    self.duration = duration
  }

  var defaultValueDescription: String { "\(duration.components.seconds)s" }
}
