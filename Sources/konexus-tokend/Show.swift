import ArgumentParser
import Base
import Glibc
import Report

/// `konexus-tokend show`: prints a valid token for scripts.
struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a valid token.",
    usage: "konexus-tokend show [<name>] [<options>]",
    discussion: """
      Pass it to a program by a pipe: all users can read arguments. Exit codes: 0 printed; 1 valid, but not for \
      long enough; 2 no valid token; 3 unknown. With any but 0, nothing is printed.

      Examples:
        konexus-tokend show --header | curl --header @- https://admin.alertsense.com
        token=$(konexus-tokend show konexus --min-validity 5m) || exit 1
        konexus-tokend show --wait 1m > /dev/null    (waits for the first token)
      """)

  @Argument(help: "Its name in the config file, if there are several.", completion: TokenNames.completion)
  var name: String?

  @Flag(help: "Print a line Authorization: Bearer ...")
  var header = false

  @Option(
    help: ArgumentHelp("Require this remaining lifetime.", valueName: "time"),
    transform: TimeSpan.init(argument:))
  var minValidity: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "Wait up to this time, and request a new token if allowed (default: 30s with --min-validity).",
      valueName: "time"), transform: TimeSpan.init(argument:))
  var wait: TimeSpan?

  @OptionGroup var location: StatusOptions

  func run() {
    let minimumValidity = minValidity?.duration ?? .zero
    let waitLimit = wait?.duration ?? (minValidity == nil ? .zero : .seconds(30))
    var request = RefreshRequest()
    do throws(TokenFileReader.Refusal) {
      print(
        try location.poll(for: waitLimit) { (report) throws(TokenFileReader.Refusal) in
          do throws(TokenFileReader.Refusal) {
            return try TokenFileReader.read(location.find(name, in: report), in: report, validFor: minimumValidity)
          } catch {
            if waitLimit > .zero, error.code == 1, !error.isFinal { request.send(to: report) }
            throw error
          }
        })
    } catch {
      CommandLineError.exit(error, after: waitLimit, note: request.note)
    }
  }

  private func print(_ token: Secret) {
    StandardOutput.write(Array((header ? "Authorization: Bearer " : "").utf8))
    StandardOutput.write(token.withBytes { Array($0) } + [UInt8(ascii: "\n")])
  }
}

/// Requests new tokens from the daemon once, if this user is allowed to.
private struct RefreshRequest {
  private var outcome: Int32?

  mutating func send(to report: StatusReport) {
    guard outcome == nil, report.daemonState == .running else { return }
    outcome = RunningDaemon.find(by: report.loaded)?.signal(SIGUSR1) ?? ESRCH
  }

  var note: String {
    switch outcome {
    case nil: ""
    case 0: "; a new token was requested"
    default: "; this user cannot request a new token"
    }
  }
}
