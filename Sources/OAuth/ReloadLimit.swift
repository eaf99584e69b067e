import Base

/// Lets a few reloads through at once and then one every half minute: a true key rotation is met in the instant it happens, and a server (or somebody in its
/// name) that makes up key ids cannot make a storm of requests.
struct ReloadLimit {
  private static let burst = 3.0
  private static let refill = 1.0 / 30

  private var tokens = Self.burst
  private var counted: BootTime?

  /// Whether a reload may be made now; counts it if so.
  mutating func permits(at now: BootTime) -> Bool {
    if let counted { tokens = min(Self.burst, tokens + (now - counted).seconds * Self.refill) }
    counted = now
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }
}
