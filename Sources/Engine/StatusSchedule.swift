import Base

/// When the status is reported: once for all events that happen at the same time.
struct StatusSchedule: Sendable {
  /// The delay of "refreshing now" while a token is published: most refreshes end sooner.
  static let refreshDelay = Duration.milliseconds(250)
  /// With more tokens than this, reports are delayed: something changes all the time, and the status is long.
  static let manyTokens = 20
  static let longestDelay = Duration.seconds(5)

  /// When the next report comes; `nil` if there is nothing to report.
  private(set) var due: BootTime?
  /// The tokens that were neither published nor rejected yet since the start.
  private var awaited: Set<String> = []
  /// Whether the daemon has ever been ready.
  private(set) var isReady = false

  /// Adds tokens that must be published or rejected before the daemon is ready.
  mutating func await(_ names: Set<String>) { awaited.formUnion(names) }

  /// Notes that the token was published or rejected, or is not managed any more.
  mutating func settle(_ name: String) { awaited.remove(name) }

  /// Requests a report no later than after `delay`, or later if there are many tokens.
  mutating func want(after delay: Duration = .zero, tokens: Int, at now: BootTime) {
    let time = now + max(delay, tokens > Self.manyTokens ? min(.milliseconds(100 + tokens), Self.longestDelay) : .zero)
    due = min(due ?? time, time)
  }

  /// Takes the report that is due; returns whether there is one.
  mutating func take(at now: BootTime) -> Bool {
    guard let due, due <= now else { return false }
    self.due = nil
    return true
  }

  /// Becomes ready if all awaited tokens are settled and one `isPublished`; returns whether it became ready now.
  mutating func becomeReady(_ isPublished: @autoclosure () -> Bool) -> Bool {
    guard !isReady, awaited.isEmpty, isPublished() else { return false }
    isReady = true
    return true
  }
}
