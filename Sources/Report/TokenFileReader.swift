public import Base
import Files
import Glibc
import OAuth
import Publication
import Settings

/// Reads a token from its file, but only while it is valid.
public enum TokenFileReader {
  /// The reason why there is no token, and a remedy.
  public struct Refusal: Error, Hashable, Sendable {
    /// The problem.
    public var problem: String
    /// The command to run next.
    public var remedy: String
    /// The exit code: 1 for a token that expires too soon, 2 for no valid token, 3 if the state is unknown.
    public var code: Int32
    /// Whether waiting cannot help.
    public var isFinal = false

    /// An error of the given values.
    public init(problem: String, remedy: String, code: Int32, isFinal: Bool = false) {
      self.problem = problem
      self.remedy = remedy
      self.code = code
      self.isFinal = isFinal
    }
  }

  /// Reads a token from its first raw file.
  ///
  /// While the daemon runs, the boot-time clock decides how long the token is valid. Otherwise its `exp` must also be
  /// in the future by the host's clock, because the status can describe an earlier token.
  ///
  /// - Parameter minimumValidity: the minimum remaining lifetime.
  public static func read(
    _ token: StatusReport.Token, in report: StatusReport, validFor minimumValidity: Duration
  ) throws(Refusal) -> Secret {
    guard var remaining = token.remaining, remaining > .zero else { throw absent(token, report) }
    let content = try content(of: token, in: report)
    if report.daemonState != .running {
      let expiry = expiry(of: content)
      // The expiry of an opaque token is known from the status only.
      guard expiry != nil || token.status.verification != .jwt else { throw absent(token, report) }
      if let expiry { remaining = min(remaining, .seconds(expiry - report.now.unix)) }
    }
    guard remaining > .zero else { throw absent(token, report) }
    guard remaining >= minimumValidity else { throw expiresTooSoon(token, remaining, minimumValidity) }
    return content
  }

  /// Checks that each file of the token exists, and that the token is valid.
  public static func confirm(_ token: StatusReport.Token, in report: StatusReport) throws(Refusal) {
    // For an expired token, the expiry is the better reason.
    if token.health == .missing, let index = token.files.firstIndex(where: { $0.exists == false }) {
      let status = token.status
      throw Refusal(
        problem: "the token \(status.name) is not in its file \(status.outputs[index].path)",
        remedy: "see why: konexus-tokend status \(status.name.shellQuoted)", code: 2)
    }
    _ = try read(token, in: report, validFor: .zero)
  }

  /// The content of a token's first raw file, valid or not.
  ///
  /// - Throws: `Refusal` if it is not readable, or cannot come from the daemon.
  public static func content(of token: StatusReport.Token, in report: StatusReport) throws(Refusal) -> Secret {
    let name = token.status.name
    // While a token moves to another path, its previous file holds it.
    guard let output = token.rawOutput ?? token.status.rawOutput else {
      throw Refusal(
        problem: "\(name) has no raw file", remedy: "read one of its files: konexus-tokend status \(name)", code: 3,
        isFinal: true)
    }
    do throws(PrivateFile.Unreadable) {
      return try read(output, owner: report.loaded.owner)
    } catch {
      let place = FilePath.directory(of: output.path)
      let remedy =
        switch error.code {
        case nil: "see who can write there: ls -ld \(place.shellQuoted) \(output.path.shellQuoted)"
        case ENOENT: "see why: konexus-tokend status \(name.shellQuoted)"
        case EACCES: "use sudo, or join the file's group: \(FileAttributes.joining(output.path))"
        case let code?: SystemError.remedy(code, at: output.path)
        }
      throw Refusal(problem: "\(output.path) cannot be read: \(error.reason)", remedy: remedy, code: 3)
    }
  }

  /// When the JWT in a token's file expires, seconds since 1970; `nil` if it is no JWT or not readable.
  static func expiry(of token: TokenStatus, owner: UInt32) -> Double? {
    token.rawOutput.flatMap { try? read($0, owner: owner) }.flatMap(expiry)
  }

  private static func expiry(of token: Secret) -> Double? {
    (try? TokenInspection(of: token.withBytes { Array($0) }))?.number("exp").flatMap { abs($0) < 1e12 ? $0 : nil }
  }

  /// Reads a file that must hold a Bearer token. Commands print it, and programs put it into header lines.
  private static func read(
    _ output: TokenStatus.Output, owner: UInt32
  ) throws(PrivateFile.Unreadable) -> Secret {
    let content = try DaemonDirectory.read(
      output.path, of: owner, maximum: BearerToken.longest, forbidden: 0o002)
    guard content.withBytes({ BearerToken.isValid($0) }) else { throw .init(reason: "it holds no Bearer token") }
    return content
  }

  private static func absent(_ token: StatusReport.Token, _ report: StatusReport) -> Refusal {
    let status = token.status
    guard token.health != .outOfDate else {
      return Refusal(
        problem: "the daemon cannot write its status, and the token \(status.name) does not say when it expires",
        remedy: "make room: df -h \(report.loaded.directory.shellQuoted)", code: 3)
    }
    var problem = "there is no valid token \(status.name)"
    if token.remaining != nil { problem = "the token \(status.name) has expired" }
    if report.daemonState != .running { problem += ", and the daemon does not run" }
    if let failure = status.failure { problem += ": \(failure.message)" }
    let remedy =
      report.daemonState == .running
      ? "see why: konexus-tokend status \(status.name)" : "start the daemon: \(ServiceCommands.current.start)"
    return Refusal(problem: problem, remedy: remedy, code: 2)
  }

  private static func expiresTooSoon(_ token: StatusReport.Token, _ remaining: Duration, _ minimumValidity: Duration)
    -> Refusal
  {
    let status = token.status
    if let obtained = status.obtainedAt, let end = status.expiresAt, .seconds(end - obtained) < minimumValidity {
      return Refusal(
        problem:
          "no token \(status.name) is valid for \(Timestamp.span(minimumValidity)): the lifetime is "
          + "\(Timestamp.span(.seconds(end - obtained)))",
        remedy: "use a shorter time with --min-validity", code: 1, isFinal: true)
    }
    var problem = "the token \(status.name) is valid for \(Timestamp.span(remaining)) only"
    if let failure = status.failure { problem += ", and refresh fails: \(failure.message)" }
    return Refusal(problem: problem, remedy: "see why: konexus-tokend status \(status.name)", code: 1)
  }
}

extension StatusReport.Token {
  /// The first file that is there and holds nothing but the token.
  fileprivate var rawOutput: TokenStatus.Output? {
    zip(status.outputs, files).first { output, file in
      output.format == TokenOutput.Format.raw.rawValue && file.exists != false
    }?.0
  }
}

extension TokenStatus {
  /// The first file that holds nothing but the token.
  fileprivate var rawOutput: Output? { outputs.first { $0.format == TokenOutput.Format.raw.rawValue } }
}

extension TokenInspection {
  /// The value of a numeric claim.
  func number(_ name: String) -> Double? {
    claims.first { $0.name == name }.flatMap { Double($0.json) }
  }
}
