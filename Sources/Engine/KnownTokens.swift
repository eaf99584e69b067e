import Base

/// The tokens that the server returned before. One that it returns again keeps its times.
///
/// Some servers return the same token until it expires. Behind a load balancer, two servers can do so in turn. Neither
/// makes a token live longer, whatever `expires_in` says.
struct KnownTokens: Sendable {
  /// What is known of a token.
  struct Entry: Sendable {
    var digest: TokenDigest
    /// When it was requested first.
    var requestedAt: BootTime
    /// When it expires, as it was known first, or earlier.
    var expiresAt: BootTime
    /// Whether it was known not to be accepted when another token came.
    var wasRejected = false
  }

  /// How many tokens are remembered. Few servers share an address.
  static let memory = 8

  /// The token that was returned last is the first.
  private var entries: [Entry] = []

  /// What is known of the token with this digest; `nil` if it is new.
  func entry(_ digest: TokenDigest?) -> Entry? { entries.first { $0.digest == digest } }

  /// Notes a token that was taken, or whose times are known better.
  mutating func note(_ digest: TokenDigest?, _ times: TokenTimes) {
    guard let digest else { return }
    entries.removeAll { $0.digest == digest }
    entries.insert(Entry(digest: digest, requestedAt: times.requestedAt, expiresAt: times.expiresAt), at: 0)
    if entries.count > Self.memory { entries.removeLast() }
  }

  /// Notes that a token is not accepted any more.
  mutating func reject(_ digest: TokenDigest?) {
    for index in entries.indices where entries[index].digest == digest { entries[index].wasRejected = true }
  }
}
