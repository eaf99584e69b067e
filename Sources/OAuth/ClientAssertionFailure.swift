/// Why there is no client assertion.
public struct ClientAssertionFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Reason: Hashable, Sendable {
    /// The text holds no private key in PEM that could sign.
    case notAPrivateKey
    /// The private key is protected by a passphrase.
    case encrypted
    /// The key cannot sign by the algorithm asked for.
    case algorithmMismatch
    /// Signing failed.
    case signing
  }

  /// Which kind of failure it is.
  public let reason: Reason
  /// What is wrong and what to do, for a person. One line of plain text without anything of the key.
  public let message: String

  /// The message.
  public var description: String { message }
}
