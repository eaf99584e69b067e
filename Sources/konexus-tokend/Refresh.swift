import ArgumentParser
import Base
import Broker
import Files
import Glibc
import OAuth
import Publication
import Report

/// `konexus-tokend refresh`: for applications whose token the API rejected, and for administrators.
struct Refresh: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Request a new token, or report a rejected one.",
    usage: "konexus-tokend refresh [<name>] [--rejected -] [<options>]",
    discussion: """
      For root and members of the group konexus-token. With --rejected, nothing is requested if the file already \
      holds a newer token. Exit codes: 0 a new token is requested or in place; 75 later; 77 the server rejects the \
      client; 69 no daemon; 64 usage.

      Examples:
        konexus-tokend refresh konexus --wait 10s
        printf %s "$token" | konexus-tokend refresh --rejected - --wait 2s
      """)

  @Argument(help: "Its name in the config file, if there are several.", completion: TokenNames.completion)
  var name: String?

  @Option(help: ArgumentHelp("Read the rejected token from standard input.", valueName: "-"))
  var rejected: String?

  @Option(
    help: ArgumentHelp("Wait up to this time for another token in the file.", valueName: "time"),
    transform: TimeSpan.init(argument:))
  var wait: TimeSpan?

  @OptionGroup var location: StatusOptions

  /// How long the daemon may take to answer.
  private static let answerLimit = Duration.seconds(10)
  /// A size in bytes that no token exceeds.
  private static let longestInput = 256 << 10

  func validate() throws {
    if let rejected, rejected != "-" {
      throw ValidationError(
        "--rejected accepts only -, for standard input: the file of a token can already hold a newer one")
    }
  }

  func run() {
    let rejectedToken = rejected == nil ? nil : Self.readToken()
    // Without a name and a wait, the status is not needed.
    let report = name == nil || wait != nil ? loadReport() : nil
    let name = name ?? onlyName(in: report)
    // The token that must not be in the file any more.
    var former = rejectedToken
    if former == nil, let report, let token = try? location.find(name, in: report) {
      former = try? TokenFileReader.content(of: token, in: report)
    }
    switch send(rejectedToken.map { .rejected(name: name, token: $0) } ?? .refresh(name: name)) {
    case .newer:
      waitForSuccessor(name, of: former)
      Self.print("\(name): a newer token is in place, read the file again")
    case .requested:
      waitForSuccessor(name, of: former)
      Self.print(wait == nil ? "\(name): a new token is requested" : "\(name): another token is in the file")
    case .limited(let seconds):
      let delay = Timestamp.span(.seconds(seconds))
      guard let wait, wait.duration > .zero else {
        CommandLineError.exit(
          "the next token \(name) is requested in \(delay)",
          next: "see why: konexus-tokend status \(name.shellQuoted)", code: EX_TEMPFAIL)
      }
      waitForSuccessor(name, of: former, note: "; the next one is requested in \(delay)")
      Self.print("\(name): another token is in the file")
    case .rejected(let seconds, let code):
      let delay = Timestamp.span(.seconds(seconds))
      CommandLineError.exit(
        "the server rejects the client of \(name) (\(code)); the next attempt is in \(delay)",
        next: "see why: konexus-tokend status \(name.shellQuoted)", code: EX_NOPERM)
    case .unknown:
      CommandLineError.exit(
        "there is no token \(CommandLineError.quoted(name))", next: "see their names: konexus-tokend status",
        code: EX_USAGE)
    case .error(let text):
      CommandLineError.exit(
        "the daemon did not accept the request: \(CommandLineError.quoted(text))",
        next: "its version may be another one: \(ServiceCommands.current.restart)", code: EX_UNAVAILABLE)
    }
  }

  private static func print(_ text: String) { StandardOutput.write([StyledLine(text)]) }

  /// The token on standard input. Ends the command if there is none.
  private static func readToken() -> Secret {
    let content = Secret(capacity: longestInput + 2) { memory, count in
      count = 0
      while count < memory.count {
        let received = read(STDIN_FILENO, memory.baseAddress?.advanced(by: count), memory.count - count)
        if received < 0, errno == EINTR { continue }
        guard received > 0 else { return }
        count += received
      }
    }
    let token = content.withBytes { bytes in Secret(bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]) }
    guard token.withBytes({ BearerToken.isValid($0) }) else {
      CommandLineError.exit(
        "standard input does not hold a token and nothing else",
        next: "pass the rejected token alone: printf %s \"$token\" | konexus-tokend refresh --rejected -",
        code: EX_USAGE)
    }
    return token
  }

  private func loadReport() -> StatusReport {
    do throws(StatusFile.Unavailable) {
      return StatusReport(try StatusFile.find(in: location.path))
    } catch {
      CommandLineError.exit(error.problem, next: error.remedy, code: EX_UNAVAILABLE)
    }
  }

  /// The name of the only token. Ends the command if there are several.
  private func onlyName(in report: StatusReport?) -> String {
    let report = report ?? loadReport()
    do throws(TokenFileReader.Refusal) { return try location.find(nil, in: report).status.name } catch {
      CommandLineError.exit(error.problem, next: error.remedy, code: EX_USAGE)
    }
  }

  private func send(_ request: RejectionRequest) -> RejectionReply {
    // A text with spaces, line breaks or other scripts is not a name.
    guard request == RejectionRequest(line: request.line.utf8) else { return .unknown }
    do throws(RejectionClient.Failure) {
      return try RejectionClient.send(request, in: location.path, limit: Self.answerLimit)
    } catch {
      CommandLineError.exit(
        "\(error)",
        next: error.isDenied
          ? "use sudo, or join the group that can read the tokens: \(FileAttributes.joining(location.path))"
          : ServiceCommands.current.status,
        code: EX_UNAVAILABLE)
    }
  }

  /// With `--wait`, returns when the file holds another token than `former`. Ends the command if that takes too long.
  private func waitForSuccessor(_ name: String, of former: Secret?, note: String = "") {
    guard let wait else { return }
    do throws(TokenFileReader.Refusal) {
      try location.poll(for: wait.duration) { (report) throws(TokenFileReader.Refusal) in
        let token = try location.find(name, in: report)
        guard try TokenFileReader.read(token, in: report, validFor: .zero) != former else {
          let reason = token.status.failure.map { ": \($0.message)" } ?? ""
          throw TokenFileReader.Refusal(
            problem: "the file of \(name) holds the same token as before\(reason)",
            remedy: "see why: konexus-tokend status \(name.shellQuoted)", code: EX_TEMPFAIL)
        }
      }
    } catch {
      var refusal = error
      refusal.code = error.isFinal ? EX_UNAVAILABLE : EX_TEMPFAIL
      CommandLineError.exit(refusal, after: wait.duration, note: note)
    }
  }
}
