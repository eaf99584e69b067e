/// Why a JWKS document gives no keys.
public struct KeySetFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Reason: Hashable, Sendable {
    /// Longer than 1 MiB.
    case oversized(bytes: Int)
    /// Not a JSON object with an array `keys` (RFC 7517 section 5).
    case malformed
    /// A JWKS, yet without a key that could verify a token.
    case noUsableKey
  }

  /// Which kind of failure it is.
  public let reason: Reason
  /// What is wrong, for a person. One line of plain text.
  public let message: String

  /// The message.
  public var description: String { message }
}
