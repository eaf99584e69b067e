import ArgumentParser
import Base
import Glibc
import Publication
import Report

/// `konexus-tokend status`: shows the state of each token.
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the state of each token, and why one is missing.",
    usage: "konexus-tokend status [<name>] [<options>]",
    discussion: """
      Exit codes: 0 OK; 1 valid tokens, but refresh fails or the daemon is gone; 2 a token is missing; 3 unknown; \
      with --probe 0 yes, 1 no: each token is valid (ready), no deadline is missed (live).

      Examples:
        konexus-tokend status
        konexus-tokend status konexus --json | jq '.tokens[].valid_for_seconds'
        konexus-tokend status --probe ready -q || exit 1
      """)

  @Argument(help: "The token's name in the config file; without it, all.", completion: TokenNames.completion)
  var name: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "Show changes until interrupted.")
  var watch = false

  @Option(help: ArgumentHelp("Health probe: ready or live.", valueName: "kind"))
  var probe: StatusProbe?

  @Flag(name: [.short, .long], help: "Print nothing; set only the exit code.")
  var quiet = false

  @OptionGroup var location: StatusOptions

  func validate() throws {
    if quiet, watch || json { throw ValidationError("--quiet goes with neither --json nor --watch") }
    if probe != nil, watch || json { throw ValidationError("--probe goes with neither --json nor --watch") }
    if watch, json { throw ValidationError("--watch and --json do not go together; call --json as often as you like") }
  }

  func run() {
    if quiet { Glibc.exit(code) }
    if let probe { answer(probe) }
    if watch { watchStatus() }
    let report: StatusReport
    do throws(StatusFile.Unavailable) {
      report = try loadReport()
    } catch {
      let explanation = location.explain(error)
      if json { StandardOutput.write(json: StatusReport.json(explanation.error, isCritical: explanation.code == 2)) }
      CommandLineError.exit(explanation.error.problem, next: explanation.error.remedy, code: explanation.code)
    }
    if name != nil { _ = location.token(name, in: report) }
    if json {
      StandardOutput.write(json: report.json())
    } else {
      StandardOutput.write(report.text(StandardOutput.style, inDetail: name != nil))
    }
    Glibc.exit(report.severity.rawValue)
  }

  /// The current report. If the configuration file's stamp changed, root compares the content too.
  private func loadReport() throws(StatusFile.Unavailable) -> StatusReport {
    var report = StatusReport(try StatusFile.find(in: location.path), only: name)
    // The file belongs to the service's daemon only.
    if report.isConfigurationChanged, location.directory == nil,
      ServiceConfigurationFile.isInEffect(in: location.path) == true
    {
      report.isConfigurationChanged = false
    }
    return report
  }

  /// The exit code of `--quiet`.
  private var code: Int32 {
    do throws(StatusFile.Unavailable) {
      let report = try loadReport()
      // The state of an unknown token is unknown.
      guard let probe, !report.tokens.isEmpty else { return report.severity.rawValue }
      return probe.passes(report) ? 0 : 1
    } catch {
      return probe == nil ? location.explain(error).code : 1
    }
  }

  private func answer(_ probe: StatusProbe) -> Never {
    do throws(StatusFile.Unavailable) {
      let report = try loadReport()
      if name != nil { _ = location.token(name, in: report) }
      let isWell = probe.passes(report)
      StandardOutput.write(report.summary.preceded(by: "\(isWell ? "" : "not ")\(probe.rawValue): "))
      Glibc.exit(isWell ? 0 : 1)
    } catch {
      CommandLineError.exit(error.problem, next: error.remedy, code: 1)
    }
  }

  private func watchStatus() -> Never {
    var last: [StyledLine] = []
    while true {
      let lines: [StyledLine]
      let summary: [StyledLine]
      do throws(StatusFile.Unavailable) {
        let report = try loadReport()
        lines = report.text(StandardOutput.style, inDetail: name != nil)
        summary = report.summary
      } catch {
        lines = ["\(StatusReport.Severity.unknown.label): \(error)"]
        summary = lines
      }
      if StandardOutput.style.columns != nil {
        StandardOutput.redraw(lines)
      } else if summary != last {
        StandardOutput.write(summary.preceded(by: Timestamp.zoned(Moment.now().unix) + " "))
      }
      last = summary
      sleep(1)
    }
  }
}
