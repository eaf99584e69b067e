public import Base
import Files
import FoundationEssentials
import HTTP
public import OAuth
public import Publication
public import Settings

/// The result of the verification of a token.
public enum TokenValidation: Sendable {
  /// The token meets the requirements. `keys` names the issuer of the keys and their source.
  case verifies(String, keys: String)
  /// The token does not meet the requirements, for this reason.
  case fails(String)
  /// The token was not verified, for this reason.
  case unknown(String, remedy: String)

  /// The exit code of `inspect`: 0, 1 or 3.
  public var exitCode: Int32 {
    switch self {
    case .verifies: 0
    case .fails: 1
    case .unknown: 3
    }
  }

  /// The lines for a reader.
  public var lines: [StyledLine] {
    switch self {
    case .verifies(let finding, let keys): [StyledLine("verifies", .good) + ": \(finding); keys: \(keys)"]
    case .fails(let reason): [StyledLine("DOES NOT VERIFY", .bad) + ": \(reason)"]
    case .unknown(let reason, let remedy):
      [StyledLine("not verified", .doubtful) + ": \(reason)", StyledLine("-> ", .strong) + StyledLine(remedy)]
    }
  }

  /// Whether the token names `issuer` as its issuer. This is a hint only, until the token is verified.
  ///
  /// - Parameter accessTokenIssuer: the issuer that its tokens name instead, if it is set.
  public static func isIssuer(_ issuer: String, or accessTokenIssuer: String?, of token: TokenInspection) -> Bool {
    let issuer = accessTokenIssuer ?? issuer
    return token.claims.contains { $0.name == "iss" && $0.json == "\"\(issuer)\"" }
  }

  /// The result if the requirements come only from a file that the daemon's user can write.
  public static func unverifiable(_ status: TokenStatus, of loaded: LoadedStatus) -> TokenValidation {
    let file = "\(loaded.directory)/\(DaemonFile.status)"
    let command = "konexus-tokend inspect \(status.name.shellQuoted) --issuer \(status.issuer.shellQuoted)"
    return .unknown(
      "only \(file) names the issuer, and user \(loaded.owner) can write that file",
      remedy: "if this issuer is right: \(command)")
  }

  /// The result if the issuer is unknown.
  public static let withoutIssuer = TokenValidation.unknown(
    "its issuer is none of the daemon's", remedy: "name the expected issuer with --issuer")

  /// Verifies a token.
  public static func validate(_ token: Secret, by requirements: TokenRequirements) async -> TokenValidation {
    let issuer = requirements.policy.issuer
    var source = "\(issuer) (stored by the daemon)"
    let keys: KeySet
    if let kept = requirements.keys {
      keys = kept
    } else {
      let server = AuthorizationServer(
        issuer: issuer, locations: requirements.locations, transport: requirements.transport, http: HTTPClient())
      do throws(AcquisitionFailure) { keys = try await server.fetchKeys() } catch {
        return .unknown("the issuer's keys are not available: \(error.message)", remedy: error.remedy)
      }
      source = "\(issuer) (fetched now)"
    }
    do throws(VerificationFailure) {
      let claims = try AccessTokenVerifier.verify(
        token: token, keys: keys, policy: requirements.policy, grantedScope: requirements.grantedScope,
        unixTime: Moment.now().unix)
      // The leeway is for differences between clocks. An expired token fails.
      let now = Moment.now().unix + requirements.clockSkew
      if Double(claims.expiry) <= now {
        return .fails("it ended \(Timestamp.relative(Double(claims.expiry), now: now))")
      }
      return .verifies(requirements.finding, keys: source)
    } catch {
      return .fails(error.message)
    }
  }
}

/// The requirements for a token, and their source.
public struct TokenRequirements: Sendable {
  var policy: AccessTokenPolicy
  var transport: TransportSettings
  /// The server's addresses that the settings give.
  var locations = ServerLocations()
  /// The keys; `nil` if they must be requested.
  var keys: KeySet?
  /// The scope of the token response, if it is known.
  var grantedScope: [String]?
  /// How far the server's clock is ahead of the host's, in seconds.
  var clockSkew = 0.0
  /// The text for a token that meets the requirements.
  var finding = "signature and claims are right"

  /// The requirements of a table in a configuration file. The keys are requested from the issuer. Nothing comes from
  /// the daemon.
  public init(_ settings: TokenSettings, of configuration: String, caFile: String?) {
    policy = settings.policy
    transport = settings.transport
    locations = settings.locations
    transport.caFile = caFile ?? transport.caFile
    finding += " by \(configuration)"
  }

  /// The requirements of a status file, with the keys of the state file if this user can read it.
  ///
  /// The status must be trusted (`LoadedStatus.isTrusted`), because the daemon's user can write both files.
  /// - Parameters:
  ///   - issuer: replaces the issuer of the status. Its keys are requested.
  ///   - caFile: replaces the CA certificates of the status.
  public init(_ status: TokenStatus, of loaded: LoadedStatus, issuer: String?, caFile: String?) {
    policy = AccessTokenPolicy(
      issuer: issuer ?? status.issuer, audience: status.audience, clientID: status.clientID,
      scopes: status.requestedScope)
    transport = TransportSettings(caFile: caFile ?? status.caFile)
    if policy.issuer == status.issuer {
      policy.accessTokenIssuer = status.accessTokenIssuer
      locations = status.locations ?? locations
    }
    grantedScope = status.scope
    clockSkew = status.clockSkew ?? 0
    if policy.issuer == status.issuer, let output = status.outputs.first {
      keys = TokenState.keys(at: TokenSettings.statePath(of: status.name, besides: output.path), of: loaded.owner)
    }
  }

  /// The requirements if only the issuer is given. Its keys are requested. Audience, client and scope are not checked.
  public init(issuer: String, caFile: String?, for token: TokenInspection) {
    policy = AccessTokenPolicy(
      issuer: issuer, audience: token.texts("aud"),
      clientID: token.texts("client_id").first ?? token.texts("azp").first ?? "", scopes: [])
    transport = TransportSettings(caFile: caFile)
    finding = "signature, issuer and times are right"
  }
}

extension TokenInspection {
  /// The strings of a claim; empty if it has none.
  fileprivate func texts(_ name: String) -> [String] {
    guard let json = claims.first(where: { $0.name == name })?.json else { return [] }
    return JSONTexts.parse(json)
  }
}

/// A JSON string or an array of strings, as in `aud` (RFC 7519).
enum JSONTexts {
  /// The strings; empty for other values.
  static func parse(_ json: String) -> [String] {
    let data = Data("[\(json)]".utf8)
    if let one = try? JSONDecoder().decode([String].self, from: data) { return one }
    return (try? JSONDecoder().decode([[String]].self, from: data))?.first ?? []
  }
}
