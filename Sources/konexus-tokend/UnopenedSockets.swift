import Base

/// The sockets of the runtime directory that could not be opened, by name.
struct UnopenedSockets {
  private struct Socket {
    var triedAt: BootTime
    var reasons: Set<String> = []
  }

  /// An attempt can change the directory, and each change causes another look at the sockets.
  private static let pause = Duration.seconds(1)

  private var sockets: [String: Socket] = [:]

  /// Whether a socket can be tried again.
  func isRetryDue(_ name: String) -> Bool {
    sockets[name].map { Moment.now().boot - $0.triedAt >= Self.pause } ?? true
  }

  /// Notes that a socket could not be opened.
  ///
  /// - Returns: whether the reason is new since the socket was open.
  mutating func note(_ reason: String, of name: String) -> Bool {
    let now = Moment.now().boot
    sockets[name, default: Socket(triedAt: now)].triedAt = now
    return sockets[name]?.reasons.insert(reason).inserted ?? true
  }

  /// Notes that a socket is open.
  mutating func remove(_ name: String) { sockets[name] = nil }
}
