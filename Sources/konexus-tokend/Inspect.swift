import ArgumentParser
import Dispatch
import Glibc
import OAuthClient
import TokenBroker

/// `konexus-tokend inspect`: what a token says, and whether it may be believed.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tell what a token says and whether it verifies.",
    usage: "konexus-tokend inspect [<name> | -] [<options>]",
    discussion: """
      Never prints the signature. Without --issuer a token from standard input is held against the daemon's token of the same issuer. \
      The keys are the daemon's, if this user may read them, else the issuer's.

      Exit codes: 0 it verifies; 1 it does not; 3 it cannot be told.

      Examples:
        konexus-tokend inspect konexus
        konexus-tokend inspect - < token
        konexus-tokend inspect - --issuer https://auth.alertsense.com < token
      """)

  @Argument(help: "Its name in the config file, or - for standard input.")
  var name: String?

  @Option(help: ArgumentHelp("Verify against this issuer, its keys fetched now.", valueName: "url"))
  var issuer: String?

  @Option(
    help: ArgumentHelp("Trust these authorities when keys are fetched.", valueName: "path"),
    completion: .file())
  var caFile: String?

  @OptionGroup var location: StatusOptions

  func run() {
    Task { await perform() }
    dispatchMain()
  }

  private func perform() async {
    var known: TokenStatus?
    var owner: UInt32 = 0
    let token: Secret
    if name == "-" {
      token = StandardInput.token()
    } else {
      let report = location.report()
      let chosen = location.token(name, in: report)
      known = chosen.status
      owner = report.found.owner
      do throws(TokenReading.Refusal) {
        token = try TokenReading.content(of: chosen, in: report)
      } catch {
        Complaint.end(error.problem, next: error.remedy, code: 3)
      }
    }
    let inspection: TokenInspection
    do throws(VerificationFailure) {
      inspection = try TokenInspection(of: token.withBytes { Array($0) })
    } catch {
      Complaint.end(error.message, next: "give a JWT as it stands in the file", code: 1)
    }
    StandardOutput.write(InspectionText.text(inspection, now: Moment.now().unix, StandardOutput.style))
    if known == nil, issuer == nil, let found = try? StatusFile.find(in: location.path) {
      owner = found.owner
      known = found.status.tokens.first { TokenVerdict.isIssuer($0.issuer, of: inspection) }
    }
    let verdict = await TokenVerdict.judge(token, inspection, as: known, of: owner, issuer: issuer, caFile: caFile)
    StandardOutput.write([""] + verdict.lines)
    Glibc.exit(verdict.exitCode)
  }
}

/// Standard input as a source of a token.
private enum StandardInput {
  static func token() -> Secret {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while bytes.count <= 1 << 17 {
      let count = read(STDIN_FILENO, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    var text = String(decoding: bytes, as: UTF8.self)[...]
    for prefix in ["Authorization:", "Bearer"] {
      text = text.drop { $0.isWhitespace }
      if text.hasPrefix(prefix) { text = text.dropFirst(prefix.count) }
    }
    return Secret(String(text.filter { !$0.isWhitespace }))
  }
}
