import HTTP
public import OAuth
public import Publication
public import Settings

/// The requirements for a token, and where they come from.
public struct TokenExpectation: Sendable {
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
  /// The status must be trusted (`FoundStatus.isTrusted`): the daemon's user can write both files.
  /// - Parameters:
  ///   - issuer: replaces the issuer of the status; its keys are fetched.
  ///   - caFile: replaces the authorities of the status.
  public init(_ status: TokenStatus, of found: FoundStatus, issuer: String?, caFile: String?) {
    policy = AccessTokenPolicy(
      issuer: issuer ?? status.issuer, audience: status.audience, clientID: status.clientID,
      scopes: status.requestedScope)
    transport = TransportSettings(caFile: caFile ?? status.caFile)
    grantedScope = status.scope
    clockSkew = status.clockSkew ?? 0
    if policy.issuer == status.issuer, let output = status.outputs.first {
      keys = TokenState.keys(at: TokenSettings.statePath(of: status.name, besides: output.path), of: found.owner)
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
