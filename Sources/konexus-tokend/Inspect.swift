import ArgumentParser
import Base
import Dispatch
import Glibc
import OAuth
import Publication
import Report
import Settings

/// `konexus-tokend inspect`: decodes and verifies a token.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Decode a token and verify it.",
    usage: "konexus-tokend inspect [<name> | -] [<options>]",
    discussion: """
      Never prints the signature. Files of another user's daemon are not trusted: root verifies by the config file, \
      a group member by --issuer.

      Exit codes: 0 verified; 1 not verified; 3 unknown.

      Examples:
        sudo konexus-tokend inspect konexus
        konexus-tokend inspect - --issuer https://auth.alertsense.com < token
      """)

  @Argument(help: "Its name in the config file, or - for standard input.", completion: TokenNames.completion)
  var name: String?

  @Option(help: ArgumentHelp("Verify by this issuer and its present keys.", valueName: "url"))
  var issuer: String?

  @Option(
    help: ArgumentHelp("CA certificates for the request of the keys.", valueName: "path"),
    completion: .file())
  var caFile: String?

  @Option(
    name: [.short, .long], help: ArgumentHelp("The config file (for root: the service's).", valueName: "path"),
    completion: .file(extensions: ["toml"]))
  var config: String?

  @OptionGroup var location: StatusOptions

  func validate() throws {
    if issuer != nil, config != nil { throw ValidationError("--issuer and --config do not go together") }
  }

  func run() {
    Task { await perform() }
    dispatchMain()
  }

  private func perform() async {
    var report: StatusReport?
    var chosen: TokenStatus?
    let token: Secret
    if name == "-" {
      token = StandardInput.token()
      if let loaded = try? StatusFile.find(in: location.path) { report = StatusReport(loaded) }
    } else {
      let loaded = location.report()
      let named = location.token(name, in: loaded)
      (report, chosen) = (loaded, named.status)
      do throws(TokenFileReader.Refusal) {
        token = try TokenFileReader.content(of: named, in: loaded)
      } catch {
        CommandLineError.exit(error.problem, next: error.remedy, code: 3)
      }
    }
    let inspection: TokenInspection
    do throws(VerificationFailure) {
      inspection = try TokenInspection(of: token.withBytes { Array($0) })
    } catch {
      CommandLineError.exit(error.message, next: "pass the content of a token file", code: 1)
    }
    StandardOutput.write(InspectionText.text(inspection, now: Moment.now().unix, StandardOutput.style))
    // A token from standard input is compared with the daemon's token of the same issuer.
    if chosen == nil, issuer == nil {
      chosen = report?.status.tokens.first {
        TokenValidation.isIssuer($0.issuer, or: $0.accessTokenIssuer, of: inspection)
      }
    }
    let verdict = await validate(token, inspection, chosen, report?.loaded)
    StandardOutput.write([""] + verdict.lines)
    Glibc.exit(verdict.exitCode)
  }

  /// Verifies a token with the requirements of the command line or the configuration. The daemon's files are used only
  /// if no other user can write them.
  private func validate(
    _ token: Secret, _ inspection: TokenInspection, _ status: TokenStatus?, _ loaded: LoadedStatus?
  ) async -> TokenValidation {
    let requirements: TokenRequirements
    if let status, let loaded, loaded.isTrusted, config == nil {
      requirements = TokenRequirements(status, of: loaded, issuer: issuer, caFile: caFile)
    } else if let issuer {
      requirements = TokenRequirements(issuer: issuer, caFile: caFile, for: inspection)
    } else if let (settings, path) = configured(status?.name, inspection) {
      requirements = TokenRequirements(settings, of: path, caFile: caFile)
    } else if let status, let loaded {
      return .unverifiable(status, of: loaded)
    } else {
      return .withoutIssuer
    }
    return await TokenValidation.validate(token, by: requirements)
  }

  /// The token's table in the configuration of `--config`. Without that option, root gets the service's configuration
  /// if the directory is the service's.
  private func configured(
    _ token: String?, _ inspection: TokenInspection
  ) -> (settings: TokenSettings, path: String)? {
    guard config != nil || (geteuid() == 0 && location.path == RuntimeEnvironment().tokenDirectory) else { return nil }
    let service = ServiceConfiguration(config)
    do throws(ConfigurationErrors) {
      let configuration = try service.load()
      let settings = configuration.tokens.first {
        name == "-"
          ? TokenValidation.isIssuer($0.issuer, or: $0.accessTokenIssuer, of: inspection) : $0.name == token
      }
      if let settings { return (settings, service.path) }
      guard config != nil else { return nil }
      CommandLineError.exit(
        "\(service.path) has no table for this token", next: "name its issuer with --issuer", code: 3)
    } catch {
      guard config != nil else { return nil }
      let fault = error.description.split(separator: "\n").first.map(String.init) ?? service.path
      CommandLineError.exit(fault, next: "see all faults: konexus-tokend check --offline", code: 3)
    }
  }
}

/// A token from standard input.
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
