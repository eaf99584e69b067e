public import HTTP

/// What is told of an attempt while it is under way, for a person who watches it (`konexus-tokend check`). Holds no secret and no token.
public enum AcquisitionStep: Sendable {
  /// The server answered a request for one of its documents, well or not.
  case fetched(Document)
  /// The discovery document is good.
  case discovered(ServerMetadata)
  /// The token endpoint gave a token, not verified yet.
  case answered(Answer)
  /// The keys that the token is verified with.
  case keys(count: Int)

  /// A document of the server's and how it came.
  public struct Document: Sendable {
    /// Its URL.
    public var url: String
    /// The answer, certificates included for the first document of an attempt.
    public var response: HTTPResponse
    /// How far the server's clock is ahead of this host's; `nil` if the answer has no `Date`.
    public var skew: Duration?
  }

  /// A token endpoint's good answer (RFC 6749, 5.1), without its token.
  public struct Answer: Sendable {
    /// The endpoint.
    public var url: String
    /// From sending to the whole answer.
    public var duration: Duration
    /// `expires_in` in seconds.
    public var expiresIn: Double?
    /// `scope`, if the answer has it.
    public var scope: [String]?
    /// By what the server knew the client.
    public var clientAuthentication: ClientAuthentication
    /// How far the server's clock is ahead of this host's.
    public var skew: Duration?
    /// What the token says; `nil` if it is no JWT.
    public var token: TokenInspection?
  }
}
