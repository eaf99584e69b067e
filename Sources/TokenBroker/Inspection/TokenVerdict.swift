public import OAuthClient

/// Whether a token may be believed.
public enum TokenVerdict: Sendable {
  /// It is what the daemon would publish; `keys` tells where the keys are from.
  case verifies(keys: String)
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
    case .verifies(let keys): [StyledLine("verifies", .good) + ": signature and claims are right; keys: \(keys)"]
    case .fails(let reason): [StyledLine("DOES NOT VERIFY", .bad) + ": \(reason)"]
    case .unknown(let reason, let remedy):
      [StyledLine("not verified", .doubtful) + ": \(reason)", StyledLine("-> ", .strong) + StyledLine(remedy)]
    }
  }

  /// Whether `issuer` is what the token names as its own. Only a hint: what a token says of itself is believed after verification alone.
  public static func isIssuer(_ issuer: String, of token: TokenInspection) -> Bool {
    token.claims.contains { $0.name == "iss" && $0.json == "\"\(issuer)\"" }
  }

  /// Judges a token.
  ///
  /// - Parameters:
  ///   - known: what the daemon says of this token's settings, if it keeps it.
  ///   - owner: the daemon's user.
  ///   - issuer: the issuer to hold it against, in place of the daemon's.
  ///   - caFile: the authorities to trust when keys are fetched, in place of the daemon's.
  public static func judge(
    _ token: Secret, _ inspection: TokenInspection, as known: TokenStatus?, of owner: UInt32,
    issuer: String?, caFile: String?
  ) async -> TokenVerdict {
    guard let issuer = issuer ?? known?.issuer else {
      return .unknown(
        "it is of none of the daemon's issuers", remedy: "name the issuer that it must be of: --issuer URL")
    }
    var source = "\(issuer) (fetched now)"
    let keys: KeySet
    if known?.issuer == issuer, let kept = known.flatMap({ keptKeys($0, owner) }) {
      keys = kept
      source = "\(issuer) (kept by the daemon)"
    } else {
      let server = AuthorizationServer(
        issuer: issuer, transport: TransportSettings(caFile: caFile ?? known?.caFile), http: HTTPClient())
      do throws(AcquisitionFailure) { keys = try await server.fetchKeys() } catch {
        return .unknown("the issuer's keys cannot be had: \(error.message)", remedy: error.code.remedy)
      }
    }
    // Without settings to hold it against, signature, issuer and times are what can be judged.
    let policy = AccessTokenPolicy(
      issuer: issuer, audience: known?.audience ?? inspection.texts("aud"),
      clientID: known?.clientID ?? inspection.texts("client_id").first ?? inspection.texts("azp").first ?? "",
      scopes: known?.requestedScope ?? [])
    do throws(VerificationFailure) {
      let claims = try await AccessTokenVerifier.verify(
        token: token, keys: keys, policy: policy, grantedScope: known?.scope, unixTime: Moment.now().unix)
      // The leeway is for clocks that differ, not for a token that is over.
      let now = Moment.now().unix + (known?.clockSkew ?? 0)
      if Double(claims.expiry) <= now {
        return .fails("it ended \(Timestamp.relative(Double(claims.expiry), now: now))")
      }
      return .verifies(keys: source)
    } catch {
      return .fails(error.message)
    }
  }

  /// The keys in the daemon's state file, if this user may read it.
  private static func keptKeys(_ status: TokenStatus, _ owner: UInt32) -> KeySet? {
    guard let output = status.outputs.first else { return nil }
    return TokenState.keys(at: TokenSettings.statePath(of: status.name, besides: output.path), of: owner)
  }
}

extension TokenInspection {
  /// A claim's text or texts; empty if it has none.
  fileprivate func texts(_ name: String) -> [String] {
    guard let json = claims.first(where: { $0.name == name })?.json else { return [] }
    return JSONTexts.parse(json)
  }
}
