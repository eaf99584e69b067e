import Base

/// The tokens that the server returned before. One that it returns again keeps its times.
///
/// Some servers return the same token until it expires. Behind a load balancer, two servers can do so in turn. In both
/// cases a token expires no later than at first, even if `expires_in` begins anew.
struct KnownTokens: Sendable {
  /// What is known of a token.
  struct Entry: Sendable {
    var digest: TokenDigest
    /// When the request was sent that brought it first.
    var requestedAt: BootTime
    /// The earliest known expiry.
    var expiresAt: BootTime
    /// Whether it was known to be rejected when another token came.
    var wasRejected = false
  }

  /// How many tokens are remembered. Seldom do more servers share an address.
  static let memory = 8

  /// The tokens, the last one that was returned first.
  private var entries: [Entry] = []

  /// What is known of the token with this digest; `nil` if it is new.
  func entry(_ digest: TokenDigest?) -> Entry? { entries.first { $0.digest == digest } }

  /// Notes a token that is used, or its corrected times.
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
