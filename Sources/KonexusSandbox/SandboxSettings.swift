/// The settings that can be changed while a sandbox runs.
public struct SandboxSettings: Sendable {
  /// The lifetime of a token, in seconds: `expires_in`, and `exp` minus `iat`.
  public var lifetime: Int64 = 3600
  /// How far the server's clock is ahead of the machine's, in seconds; negative if it is behind.
  /// It shifts the `Date` header, the times in tokens, and the time by which the API checks a token.
  public var clockSkew: Double = 0
  /// The audience of the tokens, and of the API. One is written as a string, several as an array.
  public var audience = ["tamarack"]
  /// Whether a client gets a token for the audience that it names in `resource` (RFC 8707) or `audience`. The API
  /// accepts only ``audience``.
  public var grantsAskedAudience = false
  /// The scope that the API requires.
  public var requiredScope = "tamarack"
  /// How the `scope` claim is written.
  public var scopeForm = ScopeForm.array
  /// The `typ` of the tokens.
  public var tokenType = "at+jwt"
  /// Whether tokens are JWTs.
  public var tokenForm = TokenForm.jwt
  /// The path of the token endpoint, below the issuer. A request to the previous path gets 404.
  public var tokenPath = "/connect/token"
  /// The path of the key set, below the issuer. A request to the previous path gets 404.
  public var keySetPath = "/.well-known/openid-configuration/jwks"
  /// The path of the introspection endpoint, below the issuer. A request to the previous path gets 404.
  public var introspectionPath = "/connect/introspect"
  /// How the credentials of HTTP Basic are decoded (RFC 6749, section 2.3.1).
  public var basicEncoding = BasicEncoding.rfc6749
  /// The answer to a wrong secret.
  public var refusal = Refusal.identityServer
  /// The error code for a scope that is not allowed.
  public var invalidScopeCode = "invalid_scope"
  /// The spelling of names in the envelope of the API's responses.
  public var spelling = Spelling.documented
  /// The client authentication methods that are announced; nil for those that work.
  public var advertisedAuthenticationMethods: [String]?
  /// The `Cache-Control` of the discovery document; nil for none.
  public var discoveryCacheControl: String?
  /// The `Cache-Control` of the key set; nil for none.
  public var keySetCacheControl: String?

  /// Whether the key set has an `ETag`, and a request that names it gets 304 (RFC 9110, section 8.8.3).
  public var keySetHasETag = false
  /// Whether every second response with the key set lacks the key that signs, as if from another server.
  ///
  /// That happens behind a load balancer whose servers do not share their keys.
  public var alternatesKeySets = false
  /// Whether a client gets the same token until it expires.
  public var reissue = Reissue.never
  /// How the API gets keys.
  public var apiKeyCache = APIKeyCache.none

  /// The `iss` of tokens, which the discovery document announces as `access_token_issuer`, as AD FS does. With nil, it
  /// is the issuer.
  public var accessTokenIssuer: String?
  /// The path of the only discovery document, such as `/metadata`; nil for the usual two.
  public var discoveryPath: String?
  /// Members that the discovery document lacks, although the server has the endpoints.
  public var hiddenMetadata: [String] = []
  /// The only client that can introspect tokens; nil if each client can. IdentityServer allows this only to APIs.
  public var introspectionClient: String?
  /// Whether a client assertion must name one of the client's certificates by `x5t` or `x5t#S256`, as for Entra ID.
  public var requiresCertificateThumbprint = false

  /// The settings of Konexus' servers.
  public init() {}

  /// Ways to return the token that a client has already. WSO2 does this.
  public enum Reissue: String, Sendable, Hashable, CaseIterable {
    /// Each request gets a new one.
    case never
    /// The same one until it expires. `expires_in` is the remaining lifetime.
    case countsDown
    /// The same one until it expires. `expires_in` is always the whole lifetime.
    case wholeLifetime
  }

  /// Ways in which the API gets the server's keys.
  public enum APIKeyCache: Sendable, Hashable {
    /// It uses the present key set.
    case none
    /// It keeps the keys. It answers 401 to the first request with a new key, then loads the keys and accepts it, as
    /// ASP.NET did before .NET 8.
    case learnsFromRejection
    /// It keeps the keys for so many seconds, even if tokens with other keys come.
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
    /// A random string. Introspection (RFC 7662) shows what it means.
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
    /// Form-encoded before base64, as the RFC requires.
    case rfc6749
    /// Not encoded. Several servers require this.
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
