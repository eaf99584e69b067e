public import Base

/// What the lifecycle knows of a verified token: its times, not its bytes.
public struct TokenTimes: Hashable, Sendable {
  /// When the request that brought it was sent.
  public var requestedAt: BootTime

  /// When a new one is asked for.
  public var refreshAt: BootTime

  /// When its file goes: from here on the API may refuse it.
  public var expiresAt: BootTime

  /// A token with the given times.
  public init(requestedAt: BootTime, refreshAt: BootTime, expiresAt: BootTime) {
    self.requestedAt = requestedAt
    self.refreshAt = refreshAt
    self.expiresAt = expiresAt
  }

  /// Why a token with these times is of no use to a reader at `now`; `nil` if it is of use.
  package func fault(at now: BootTime) -> AcquisitionFailure? {
    guard expiresAt > now else {
      return AcquisitionFailure(.lifetime, "the token expired before it arrived")
    }
    let lifetime = expiresAt - requestedAt + RefreshSchedule.rounding
    guard lifetime >= RefreshSchedule.shortestLifetime else {
      let seconds = Int(lifetime.seconds)
      return AcquisitionFailure(
        .lifetime, "the token lives for \(seconds) s, which is too short to be of use to a reader")
    }
    return nil
  }
}
