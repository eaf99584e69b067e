public import Engine
public import Settings

extension TokenSettings: PlannedSettings {
  /// What these settings change for a token that had the settings `former`.
  public func change(from former: TokenSettings) -> TokenChange {
    TokenChange(
      needsNewToken: asks(differentlyFrom: former), movesFiles: outputs != former.outputs,
      movesAPI: apiURL?.url != former.apiURL?.url)
  }

  /// The part of these settings that the engine needs.
  ///
  /// - Parameters:
  ///   - server: where the token is requested.
  ///   - mayHang: whether its files can hang.
  func plan(server: ServerID, mayHang: Bool) -> TokenPlan {
    // The jitter of this host and token is the same after a restart.
    let schedule = RefreshSchedule(fraction: refreshAt, maxAge: maxAge, jitter: HostJitter.share(of: name))
    var plan = TokenPlan(name: name, server: server, schedule: schedule, timeout: timeout)
    plan.readsFiles = readsFiles
    plan.mayHang = mayHang
    plan.path = outputs.first?.path ?? name
    plan.minValidity = minValidity
    plan.revokesOnStop = revokesOnStop
    plan.verification =
      switch verification {
      case .jwt: .keySet
      case .introspection: .introspection
      case .none: .none
      }
    plan.recheckInterval = recheckInterval
    plan.probesAPI = apiURL != nil
    return plan
  }
}
