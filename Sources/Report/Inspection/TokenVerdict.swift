public import Base
import Files
import HTTP
public import OAuth
public import Publication

/// Whether a token may be believed.
public enum TokenVerdict: Sendable {
  /// It meets the requirements; `keys` names their issuer and where they come from.
  case verifies(String, keys: String)
  /// It is not, for this reason.
  case fails(String)
  /// It cannot be told.
  case unknown(String, remedy: String)

  /// 0, 1, 3.
  public var exitCode: Int32 {
    switch self {
    case .verifies: 0
    case .fails: 1
    case .unknown: 3
    }
  }

  /// One line, and what to do.
  public var lines: [StyledLine] {
    switch self {
    case .verifies(let finding, let keys): [StyledLine("verifies", .good) + ": \(finding); keys: \(keys)"]
    case .fails(let reason): [StyledLine("DOES NOT VERIFY", .bad) + ": \(reason)"]
    case .unknown(let reason, let remedy):
      [StyledLine("not verified", .doubtful) + ": \(reason)", StyledLine("-> ", .strong) + StyledLine(remedy)]
    }
  }

  /// Whether `issuer` is what the token names as its own. Only a hint: what a token says of itself is believed after verification alone.
  public static func isIssuer(_ issuer: String, of token: TokenInspection) -> Bool {
    token.claims.contains { $0.name == "iss" && $0.json == "\"\(issuer)\"" }
  }

  /// The verdict if only the daemon's user says what the token must be.
  public static func unbacked(_ status: TokenStatus, of found: FoundStatus) -> TokenVerdict {
    let file = "\(found.directory)/\(DaemonFile.status)"
    let command = "konexus-tokend inspect \(status.name.shellQuoted) --issuer \(status.issuer.shellQuoted)"
    return .unknown(
      "only \(file) names the issuer, and user \(found.owner) can write that file",
      remedy: "if this issuer is right, type: \(command)")
  }

  /// The verdict if nothing names an issuer.
  public static let withoutIssuer = TokenVerdict.unknown(
    "it is of none of the daemon's issuers", remedy: "name the issuer that it must be of: --issuer URL")

  /// Judges a token.
  public static func judge(_ token: Secret, by expected: TokenExpectation) async -> TokenVerdict {
    let issuer = expected.policy.issuer
    var source = "\(issuer) (kept by the daemon)"
    let keys: KeySet
    if let kept = expected.keys {
      keys = kept
    } else {
      let server = AuthorizationServer(issuer: issuer, transport: expected.transport, http: HTTPClient())
      do throws(AcquisitionFailure) { keys = try await server.fetchKeys() } catch {
        return .unknown("the issuer's keys cannot be had: \(error.message)", remedy: error.code.remedy)
      }
      source = "\(issuer) (fetched now)"
    }
    do throws(VerificationFailure) {
      let claims = try AccessTokenVerifier.verify(
        token: token, keys: keys, policy: expected.policy, grantedScope: expected.grantedScope,
        unixTime: Moment.now().unix)
      // The leeway is for clocks that differ, not for a token that is over.
      let now = Moment.now().unix + expected.clockSkew
      if Double(claims.expiry) <= now {
        return .fails("it ended \(Timestamp.relative(Double(claims.expiry), now: now))")
      }
      return .verifies(expected.finding, keys: source)
    } catch {
      return .fails(error.message)
    }
  }
}
