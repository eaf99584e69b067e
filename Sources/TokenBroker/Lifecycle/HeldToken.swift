public import OAuthClient

/// What the lifecycle knows of a verified token: its times, not its bytes.
public struct HeldToken: Hashable, Sendable {
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
}
