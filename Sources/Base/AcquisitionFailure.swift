/// Why an attempt to get a verified token failed.
public struct AcquisitionFailure: Error, Hashable, Sendable {
  /// What went wrong, as one of a closed list; decides kind, pace and wording.
  public var code: FailureCode

  /// One sentence for a person: what was asked of whom, and what came. Never holds a secret or a token.
  public var message: String

  /// How long the server asked us to wait (RFC 9110, 10.2.3), if it did.
  public var retryAfter: Duration?

  /// A failure.
  public init(_ code: FailureCode, _ message: String, retryAfter: Duration? = nil) {
    self.code = code
    self.message = message
    self.retryAfter = retryAfter
  }

  /// Which of the kinds it is: decides the pace of retries.
  public var kind: FailureCode.Kind { code.kind }
}
