/// What can be changed while a sandbox runs.
public struct SandboxSettings: Sendable {
  /// The life of a token, in seconds: `expires_in`, and `exp` minus `iat`.
  public var lifetime: Int64 = 3600
  /// How far the server's clock is ahead of the machine's, in seconds; negative if it is behind.
  /// It shifts the `Date` header, the times in tokens, and the time by which the API checks a token.
  public var clockSkew: Double = 0
  /// The audience of the tokens, and of the API. One is written as a string, several as an array.
  public var audience = ["tamarack"]
  /// Whether a client gets a token for what it names in `resource` (RFC 8707) or `audience`; the API keeps to
  /// ``audience``.
  public var grantsAskedAudience = false
  /// The scope that the API asks for.
  public var requiredScope = "tamarack"
  /// How the `scope` claim is written.
  public var scopeForm = ScopeForm.array
  /// The `typ` of the tokens.
  public var tokenType = "at+jwt"
  /// Whether tokens are JWTs.
  public var tokenForm = TokenForm.jwt
  /// Where the token endpoint is, below the issuer. Anything at its former place is 404.
  public var tokenPath = "/connect/token"
  /// Where the key set is, below the issuer. Anything at its former place is 404.
  public var keySetPath = "/.well-known/openid-configuration/jwks"
  /// Where tokens are introspected, below the issuer. Anything at its former place is 404.
  public var introspectionPath = "/connect/introspect"
  /// How the credentials of HTTP Basic are read (RFC 6749, section 2.3.1).
  public var basicEncoding = BasicEncoding.rfc6749
  /// How a wrong secret is answered.
  public var refusal = Refusal.identityServer
  /// The error code for a scope that may not be asked for.
  public var invalidScopeCode = "invalid_scope"
  /// How the envelope of the API's responses is spelled.
  public var spelling = Spelling.documented
  /// The client authentication methods that are advertised; nil: those that work.
  public var advertisedAuthenticationMethods: [String]?
  /// The `Cache-Control` of the discovery document; nil: none.
  public var discoveryCacheControl: String?
  /// The `Cache-Control` of the key set; nil: none.
  public var keySetCacheControl: String?

  /// Whether the key set has an `ETag`, and a request that names it gets 304 (RFC 9110, section 8.8.3).
  public var keySetHasETag = false
  /// Whether every second response with the key set lacks the key that signs, as if from another server.
  ///
  /// That happens behind a load balancer whose servers do not share their keys.
  public var alternatesKeySets = false
  /// Whether a client gets the same token until it expires.
  public var reissue = Reissue.never
  /// How the API learns keys.
  public var apiKeyCache = APIKeyCache.none

  /// The `iss` of tokens, which the discovery document announces as `access_token_issuer`, as AD FS does.
  /// nil: the issuer.
  public var accessTokenIssuer: String?
  /// The path of the only discovery document, such as `/metadata`; nil: the usual two.
  public var discoveryPath: String?
  /// Members that the discovery document lacks, though the server has what they name.
  public var hiddenMetadata: [String] = []
  /// The only client that can introspect tokens, as IdentityServer lets only APIs do it; nil: each client can.
  public var introspectionClient: String?
  /// Whether a client assertion must name one of the client's certificates by `x5t` or `x5t#S256`, as for Entra ID.
  public var requiresCertificateThumbprint = false

  /// The settings of Konexus' servers.
  public init() {}

  /// Ways to return the token that a client has already, as WSO2 does.
  public enum Reissue: String, Sendable, Hashable, CaseIterable {
    /// Each request gets a new one.
    case never
    /// Until it expires; `expires_in` is what is left of its life.
    case countsDown
    /// Until it expires; `expires_in` is always its whole life.
    case wholeLifetime
  }

  /// Ways in which the API learns the server's keys.
  public enum APIKeyCache: Sendable, Hashable {
    /// It sees the key set as it is.
    case none
    /// It keeps the keys. It answers 401 to the first request with a new key, then loads the keys and accepts it, as
    /// ASP.NET did before .NET 8.
    case learnsFromRejection
    /// It keeps the keys for so many seconds, whatever tokens come.
    case seconds(Double)
  }

  /// Ways to write the granted scopes in a token.
  public enum ScopeForm: String, Sendable, Hashable, CaseIterable {
    /// An array, as Konexus does.
    case array
    /// One string, with spaces (RFC 9068, section 2.2.3).
    case string
  }

  /// Kinds of token.
  public enum TokenForm: String, Sendable, Hashable, CaseIterable {
    /// A signed JWT (RFC 9068).
    case jwt
    /// A random string that introspection (RFC 7662) explains.
    case opaque
  }

  /// Spellings of the names in the envelope of the API's responses.
  public enum Spelling: String, Sendable, Hashable, CaseIterable {
    /// As in the vendor's examples: capitals in the response to `POST /v2/alerts`, small letters elsewhere.
    case documented
    /// `hasErrors`, `alertId`.
    case small
    /// `HasErrors`, `AlertId`.
    case capital
  }

  /// Ways to read HTTP Basic credentials.
  public enum BasicEncoding: String, Sendable, Hashable, CaseIterable {
    /// Form-encoded before base64, as the RFC says.
    case rfc6749
    /// As they stand, as several servers want it.
    case raw
  }

  /// Ways to refuse a client.
  public enum Refusal: String, Sendable, Hashable, CaseIterable {
    /// 400 `invalid_client` for credentials in the body, 401 for those in HTTP Basic.
    case identityServer
    /// 401 `invalid_client` for both (RFC 6749, section 5.2).
    case unauthorized
    /// 403 with an empty body, as some servers do.
    case forbiddenEmpty
  }
}
