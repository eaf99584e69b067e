public import ArgumentParser
import Glibc
import Systemd
public import TokenBroker

/// Where the running daemon tells how it is: shared by the commands that read it.
struct StatusOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Runtime directory (default: /run/konexus-tokend).", valueName: "dir"),
    completion: .directory)
  var directory: String?

  /// The directory to look in.
  var path: String { directory ?? RuntimeEnvironment.current.tokenDirectory }

  /// The status, judged now; ends the command with 3 if there is none.
  func report() -> StatusReport {
    do throws(StatusFile.Unavailable) {
      return StatusReport(try StatusFile.find(in: path))
    } catch {
      Complaint.end(error.problem, next: error.remedy, code: 3)
    }
  }

  /// Why there is no status, and the exit code for it: 2 if the host's service should run and does not, so that readers lack their tokens; else 3.
  func verdict(_ error: StatusFile.Unavailable) -> (error: StatusFile.Unavailable, code: Int32) {
    guard error.isMissing, path == RuntimeEnvironment().tokenDirectory, ServiceUnit.isSystemdRunning,
      let properties = ServiceUnit(named: UnitCheck.name, inDetail: false)?.properties,
      properties["LoadState"] == "loaded", let state = properties["ActiveState"]
    else { return (error, 3) }
    guard state != "active" else {
      return (
        StatusFile.Unavailable(
          problem: "readers have no token: \(path) was removed while \(UnitCheck.name) is active",
          remedy: "systemctl restart konexus-tokend"), 2
      )
    }
    let result = properties["Result"].map { $0 == "success" ? "" : ", last result: \($0)" } ?? ""
    return (
      StatusFile.Unavailable(
        problem: "readers have no token: \(UnitCheck.name) is \(state)\(result)",
        remedy: "type: journalctl -u konexus-tokend -n 50"), 2
    )
  }

  /// The token of that name, or the only one; ends the command with 3 if there is none such.
  func token(_ name: String?, in report: StatusReport) -> StatusReport.Token {
    // A forged status can name any number of tokens.
    let names = report.status.tokens.prefix(20).map(\.name) + (report.status.tokens.count > 20 ? ["..."] : [])
    guard let name else {
      if report.tokens.count == 1 { return report.tokens[0] }
      Complaint.end("there are several tokens", next: "name one of: \(names.joined(separator: ", "))", code: 3)
    }
    guard let token = report.tokens.first(where: { $0.status.name == name }) else {
      Complaint.end(
        "there is no token \(Complaint.quoted(name))", next: "name one of: \(names.joined(separator: ", "))", code: 3)
    }
    return token
  }
}

extension StatusProbe: ExpressibleByArgument {}
