public import Base
import Files
import OAuth
import Publication
import Settings

/// A token as a careful reader takes it from its file: never one that has ended.
public enum TokenFileReader {
  /// Why there is no token to be had.
  public struct Refusal: Error, Hashable, Sendable {
    /// What is wrong.
    public var problem: String
    /// What to type next.
    public var remedy: String
    /// The exit code: 1 not good for long enough, 2 no good token, 3 it cannot be told.
    public var code: Int32
    /// Whether waiting is of no use.
    public var isFinal = false

    /// A refusal.
    public init(problem: String, remedy: String, code: Int32, isFinal: Bool = false) {
      self.problem = problem
      self.remedy = remedy
      self.code = code
      self.isFinal = isFinal
    }
  }

  /// Reads a token's first raw file.
  ///
  /// While the daemon runs, what is left of the token is what the daemon counts on the boot-time clock. When it is gone, the token's own
  /// `exp` against the host's clock must hold as well: the status may be of an earlier token then.
  ///
  /// - Parameter demanded: how much longer it must be good.
  public static func read(
    _ token: StatusReport.Token, in report: StatusReport, validFor minimumValidity: Duration
  ) throws(Refusal) -> Secret {
    guard var remaining = token.remaining, remaining > .zero else { throw absent(token, report) }
    let content = try content(of: token, in: report)
    if report.daemonState != .running {
      let expiry = expiry(of: content)
      // An opaque token tells nothing: what the daemon wrote last is all there is.
      guard expiry != nil || token.status.verification != .jwt else { throw absent(token, report) }
      if let expiry { remaining = min(remaining, .seconds(expiry - report.now.unix)) }
    }
    guard remaining > .zero else { throw absent(token, report) }
    guard remaining >= minimumValidity else { throw expiresTooSoon(token, remaining, minimumValidity) }
    return content
  }

  /// Demands that a token is in each of its files, and that a careful reader gets it now.
  public static func confirm(_ token: StatusReport.Token, in report: StatusReport) throws(Refusal) {
    // A token that has expired has no files: that is the better reason.
    if token.health == .missing, let index = token.files.firstIndex(where: { $0.exists == false }) {
      let status = token.status
      throw Refusal(
        problem: "the token \(status.name) is not in its file \(status.outputs[index].path)",
        remedy: "see why: konexus-tokend status \(status.name.shellQuoted)", code: 2)
    }
    _ = try read(token, in: report, validFor: .zero)
  }

  /// What is in a token's first raw file, whatever it is worth.
  ///
  /// - Throws: `Refusal` if it cannot be read, or the daemon could not have put it there.
  public static func content(of token: StatusReport.Token, in report: StatusReport) throws(Refusal) -> Secret {
    let name = token.status.name
    guard let output = token.status.rawOutput else {
      throw Refusal(
        problem: "\(name) has no raw file", remedy: "read one of its files: konexus-tokend status \(name)", code: 3,
        isFinal: true)
    }
    do throws(PrivateFile.Unreadable) {
      return try read(output, owner: report.loaded.owner)
    } catch {
      let place = FilePath.directory(of: output.path)
      let access = "if there is, use sudo, or become a member of its group: usermod -aG konexus-token USER"
      throw Refusal(
        problem: "\(output.path) cannot be read: \(error.reason)",
        remedy: error.code == nil
          ? "see who can write there: ls -ld \(place.shellQuoted) \(output.path.shellQuoted)"
          : "see whether there is a token: konexus-tokend status \(name.shellQuoted); \(access)",
        code: 3)
    }
  }

  /// When the JWT in a token's file ends, seconds since 1970; `nil` for what is none, or may not be read.
  static func expiry(of token: TokenStatus, owner: UInt32) -> Double? {
    token.rawOutput.flatMap { try? read($0, owner: owner) }.flatMap(expiry)
  }

  private static func expiry(of token: Secret) -> Double? {
    (try? TokenInspection(of: token.withBytes { Array($0) }))?.number("exp").flatMap { abs($0) < 1e12 ? $0 : nil }
  }

  /// Commands print the content, and programs paste it into header lines: so it must be a token.
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
    if token.remaining != nil { problem = "the token \(status.name) has ended" }
    if report.daemonState != .running { problem += ", and the daemon does not run" }
    if let failure = status.failure { problem += ": \(failure.message)" }
    let remedy =
      report.daemonState == .running
      ? "see why: konexus-tokend status \(status.name)" : "start the daemon: systemctl start konexus-tokend"
    return Refusal(problem: problem, remedy: remedy, code: 2)
  }

  private static func expiresTooSoon(_ token: StatusReport.Token, _ remaining: Duration, _ minimumValidity: Duration) -> Refusal {
    let status = token.status
    if let obtained = status.obtainedAt, let end = status.expiresAt, .seconds(end - obtained) < minimumValidity {
      return Refusal(
        problem:
          "no token \(status.name) is ever good for \(Timestamp.span(minimumValidity)): they live for \(Timestamp.span(.seconds(end - obtained)))",
        remedy: "ask for less with --min-validity", code: 1, isFinal: true)
    }
    var problem = "the token \(status.name) is good for \(Timestamp.span(remaining)) only"
    if let failure = status.failure { problem += ", and refresh fails: \(failure.message)" }
    return Refusal(problem: problem, remedy: "see why: konexus-tokend status \(status.name)", code: 1)
  }
}

extension TokenStatus {
  /// The first file that holds the token alone.
  fileprivate var rawOutput: Output? { outputs.first { $0.format == TokenOutput.Format.raw.rawValue } }
}

extension TokenInspection {
  /// A claim that is a number.
  func number(_ name: String) -> Double? {
    claims.first { $0.name == name }.flatMap { Double($0.json) }
  }
}
