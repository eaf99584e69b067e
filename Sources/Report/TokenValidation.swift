public import Base
import FoundationEssentials
import HTTP
public import OAuth
public import Publication
public import Settings

/// Whether a token may be believed.
public enum TokenValidation: Sendable {
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
  public static func unverifiable(_ status: TokenStatus, of loaded: LoadedStatus) -> TokenValidation {
    let file = "\(loaded.directory)/\(StatusFile.name)"
    let command = "konexus-tokend inspect \(status.name.shellQuoted) --issuer \(status.issuer.shellQuoted)"
    return .unknown(
      "only \(file) names the issuer, and user \(loaded.owner) can write that file",
      remedy: "if this issuer is right, type: \(command)")
  }

  /// The verdict if nothing names an issuer.
  public static let withoutIssuer = TokenValidation.unknown(
    "it is of none of the daemon's issuers", remedy: "name the issuer that it must be of: --issuer URL")

  /// Judges a token.
  public static func validate(_ token: Secret, by requirements: TokenRequirements) async -> TokenValidation {
    let issuer = requirements.policy.issuer
    var source = "\(issuer) (kept by the daemon)"
    let keys: KeySet
    if let kept = requirements.keys {
      keys = kept
    } else {
      let server = AuthorizationServer(issuer: issuer, transport: requirements.transport, http: HTTPClient())
      do throws(AcquisitionFailure) { keys = try await server.fetchKeys() } catch {
        return .unknown("the issuer's keys cannot be had: \(error.message)", remedy: error.code.remedy)
      }
      source = "\(issuer) (fetched now)"
    }
    do throws(VerificationFailure) {
      let claims = try await AccessTokenVerifier.verify(
        token: token, keys: keys, policy: requirements.policy, grantedScope: requirements.grantedScope,
        unixTime: Moment.now().unix)
      // The leeway is for clocks that differ, not for a token that is over.
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

/// The requirements for a token, and where they come from.
public struct TokenRequirements: Sendable {
  var policy: AccessTokenPolicy
  var transport: TransportSettings
  /// The keys; `nil` if they must be fetched.
  var keys: KeySet?
  /// The scope of the token response, if it is known.
  var grantedScope: [String]?
  /// How far the server's clock is ahead of this host's, in seconds.
  var clockSkew = 0.0
  /// What a good verdict says.
  var finding = "signature and claims are right"

  /// Requirements of a table in a configuration file. The issuer's keys are fetched. Nothing comes from the daemon.
  public init(_ settings: TokenSettings, of configuration: String, caFile: String?) {
    policy = settings.policy
    transport = settings.transport
    transport.caFile = caFile ?? transport.caFile
    finding += " by \(configuration)"
  }

  /// Requirements of a status file, with the keys of the state file if this user can read them.
  ///
  /// The status must be trusted (`LoadedStatus.isTrusted`): the daemon's user can write both files.
  /// - Parameters:
  ///   - issuer: replaces the issuer of the status; its keys are fetched.
  ///   - caFile: replaces the authorities of the status.
  public init(_ status: TokenStatus, of loaded: LoadedStatus, issuer: String?, caFile: String?) {
    policy = AccessTokenPolicy(
      issuer: issuer ?? status.issuer, audience: status.audience, clientID: status.clientID,
      scopes: status.requestedScope)
    transport = TransportSettings(caFile: caFile ?? status.caFile)
    grantedScope = status.scope
    clockSkew = status.clockSkew ?? 0
    if policy.issuer == status.issuer, let output = status.outputs.first {
      keys = TokenState.keys(at: TokenSettings.statePath(of: status.name, besides: output.path), of: loaded.owner)
    }
  }

  /// An issuer alone. Its keys are fetched. Audience, client and scope are not checked.
  public init(issuer: String, caFile: String?, for token: TokenInspection) {
    policy = AccessTokenPolicy(
      issuer: issuer, audience: token.texts("aud"),
      clientID: token.texts("client_id").first ?? token.texts("azp").first ?? "", scopes: [])
    transport = TransportSettings(caFile: caFile)
    finding = "signature, issuer and times are right"
  }
}

extension TokenInspection {
  /// A claim's text or texts; empty if it has none.
  fileprivate func texts(_ name: String) -> [String] {
    guard let json = claims.first(where: { $0.name == name })?.json else { return [] }
    return JSONTexts.parse(json)
  }
}

/// A JSON string, or an array of them, as RFC 7519 has `aud`.
enum JSONTexts {
  /// The strings; empty if it is neither.
  static func parse(_ json: String) -> [String] {
    let data = Data("[\(json)]".utf8)
    if let one = try? JSONDecoder().decode([String].self, from: data) { return one }
    return (try? JSONDecoder().decode([[String]].self, from: data))?.first ?? []
  }
}
