/// The reason why there is no client assertion.
public struct ClientAssertionFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Reason: Hashable, Sendable {
    /// The text holds no private key in PEM that can sign.
    case notAPrivateKey
    /// The private key is protected by a passphrase.
    case encrypted
    /// The key cannot sign by the requested algorithm.
    case algorithmMismatch
    /// Signing failed.
    case signing
  }

  /// The kind of failure.
  public let reason: Reason
  /// What is wrong and what to do. One line of plain text, with nothing of the key.
  public let message: String

  /// The message.
  public var description: String { message }
}
