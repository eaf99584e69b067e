/// Why an attempt to get a verified token failed.
public struct AcquisitionFailure: Error, Hashable, Sendable {
  /// The kind of error, which decides retries and wording.
  public var code: FailureCode

  /// One sentence: what was requested from which server, and what happened. It never contains a secret or a token.
  public var message: String

  /// How long the server asked to wait (RFC 9110, 10.2.3).
  public var retryAfter: Duration?

  /// A failure of this code.
  public init(_ code: FailureCode, _ message: String, retryAfter: Duration? = nil) {
    self.code = code
    self.message = message
    self.retryAfter = retryAfter
  }

  /// The kind of failure, which decides when the next attempt is made.
  public var kind: FailureCode.Kind { code.kind }
}

/// All ways in which an attempt can fail. The raw values are stable: they are in logs (`FAILURE=`), in the status file
/// and in the manual's table of failures. A test compares that table with this list.
public enum FailureCode: String, CaseIterable, Hashable, Sendable, Codable {
  // The way to the server.
  case nameResolution = "dns"
  case connection = "connection"
  case proxy = "proxy"
  case tlsUnknownAuthority = "tls-unknown-authority"
  case tlsExpired = "tls-expired"
  case tlsNotYetValid = "tls-not-yet-valid"
  case tlsHostName = "tls-host-name"
  case tlsCAFile = "tls-ca-file"
  case tlsClientCertificate = "tls-client-certificate"
  case tlsPin = "tls-pin"
  case tlsOther = "tls"
  case timeout = "timeout"
  // The response as HTTP.
  case brokenResponse = "broken-response"
  case tooLarge = "too-large"
  case serverError = "server-error"
  case tooManyRequests = "too-many-requests"
  case redirect = "redirect"
  case rejected = "rejected"
  case documentRejected = "document-rejected"
  // The response as JSON.
  case malformedAnswer = "malformed-answer"
  // Discovery and keys (OpenID Connect Discovery 1.0, RFC 8414, RFC 7517).
  case discoveryIncomplete = "discovery-incomplete"
  case issuerMismatch = "issuer-mismatch"
  case insecureEndpoint = "insecure-endpoint"
  // The token endpoint's error response (RFC 6749, 5.2).
  case invalidClient = "invalid-client"
  case unauthorizedClient = "unauthorized-client"
  case invalidScope = "invalid-scope"
  case oauthError = "oauth-error"
  case serverBusy = "server-busy"
  // The token response (RFC 6749, 5.1).
  case tokenType = "token-type"
  case lifetime = "lifetime"
  // The token (RFC 7519, RFC 8725, RFC 9068).
  case malformedToken = "malformed-token"
  case algorithm = "algorithm"
  case unknownKey = "unknown-key"
  case signature = "signature"
  case wrongIssuer = "wrong-issuer"
  case wrongAudience = "wrong-audience"
  case wrongType = "wrong-type"
  case wrongClient = "wrong-client"
  case missingScope = "missing-scope"
  case tokenExpired = "token-expired"
  case tokenNotYetValid = "token-not-yet-valid"
  case tokenInactive = "token-inactive"
  // A held token, which is checked again, and the API.
  case keyWithdrawn = "key-withdrawn"
  case tokenRevoked = "token-revoked"
  case apiProbe = "api-probe"
  // This host.
  case credentials = "credentials"

  /// How a failure is handled.
  public enum Kind: String, Hashable, Sendable, Codable {
    /// It can pass by itself. It is retried soon, then at longer intervals.
    case transient
    /// An administrator must act. It is retried after a minute, then every five minutes without end; more often in the
    /// last minutes of a valid token.
    case refused
  }

  /// The kind of this failure.
  public var kind: Kind {
    switch self {
    case .nameResolution, .connection, .proxy, .tlsUnknownAuthority, .tlsExpired, .tlsNotYetValid, .tlsHostName,
      .tlsCAFile, .tlsClientCertificate, .tlsPin, .tlsOther, .timeout, .brokenResponse, .tooLarge, .serverError,
      .tooManyRequests, .malformedAnswer,
      .serverBusy, .lifetime, .malformedToken, .unknownKey, .signature, .tokenExpired, .tokenNotYetValid,
      .tokenInactive, .keyWithdrawn, .tokenRevoked, .credentials:
      .transient
    case .redirect, .rejected, .documentRejected, .discoveryIncomplete, .issuerMismatch, .insecureEndpoint,
      .invalidClient, .unauthorizedClient, .invalidScope, .oauthError, .tokenType, .algorithm, .wrongIssuer,
      .wrongAudience, .wrongType, .wrongClient, .missingScope, .apiProbe:
      .refused
    }
  }

  /// What an administrator can do, in one line.
  public var remedy: String {
    switch self {
    case .nameResolution: "check the host name in issuer and this host's resolver (resolvectl query HOST)"
    case .connection: "check that the server is up and that no firewall stands between (curl -v ISSUER)"
    case .proxy: "check proxy, HTTPS_PROXY and NO_PROXY, and that the proxy lets this host through"
    case .tlsUnknownAuthority:
      "set ca_file to the authority that signed the server's certificate, or install it with update-ca-certificates"
    case .tlsExpired: "the server's certificate must be renewed; check this host's clock as well (timedatectl)"
    case .tlsNotYetValid: "check this host's clock (timedatectl)"
    case .tlsHostName: "issuer must name the host as the server's certificate does"
    case .tlsCAFile:
      "ca_file and the client certificate must be PEM files that the daemon can read, and others cannot change"
    case .tlsClientCertificate:
      "the server must know the client's certificate: "
        + "is client_certificate_file set, still valid, and registered for this client?"
    case .tlsPin:
      "if the server has a new key, set pinned_public_key to it as its operator tells; else somebody stands between"
    case .tlsOther: "the server must speak TLS 1.2 or newer with a certificate this host trusts"
    case .timeout: "the server is slow or unreachable; raise timeout if it is only slow"
    case .brokenResponse: "the server or something on the way cut the answer short"
    case .tooLarge: "the answer is larger than any token answer: is issuer the right server?"
    case .serverError: "the authorization server is in trouble; nothing to do on this host"
    case .tooManyRequests: "the authorization server limits requests; are there many hosts with one client_id?"
    case .redirect: "redirects are not followed: set issuer to the final address"
    case .rejected:
      "the authorization server turned the request down without an OAuth error: check client_id and secret"
    case .documentRejected:
      "the server must have its discovery document and keys there, without redirects (curl -i): "
        + "is issuer right, is the server being deployed?"
    case .malformedAnswer:
      "the answer breaks the protocol: a captive portal, a proxy's error page, or a fault of the server?"
    case .discoveryIncomplete:
      "issuer must publish in its discovery document what the message names, unless a setting gives it"
    case .issuerMismatch: "issuer in the config file must be exactly what the server calls itself"
    case .insecureEndpoint: "the server must publish https endpoints"
    case .invalidClient:
      "client_id or its secret, key or certificate is wrong, expired or disabled: ask Konexus, then systemctl reload"
    case .unauthorizedClient: "the client must be allowed the client_credentials grant"
    case .invalidScope: "scope names something this client may not have"
    case .oauthError: "see the error the server gave"
    case .serverBusy: "the authorization server is in trouble; nothing to do on this host"
    case .tokenType: "only Bearer tokens (RFC 6750) can be published"
    case .lifetime: "the server must issue tokens that live for at least 3 s, and tell how long"
    case .malformedToken: "the access token is not a JWT: see verify in konexus-tokend.toml(5)"
    case .algorithm: "the token must be signed with RS, PS, ES 256 to 512 or EdDSA"
    case .unknownKey: "the server signed with a key that it does not publish (yet)"
    case .signature: "the token was not signed by the key it names"
    case .wrongIssuer:
      "the token was issued by another server than issuer: see access_token_issuer in konexus-tokend.toml(5)"
    case .wrongAudience: "set audience to what the API expects, or ask for the right scope"
    case .wrongType: "the server must issue access tokens (typ at+jwt or JWT)"
    case .wrongClient: "the token belongs to another client_id"
    case .missingScope: "the server granted less than scope asks for"
    case .tokenExpired: "the token came dead: check this host's clock (timedatectl) and the server's"
    case .tokenNotYetValid: "the token is from the future: check this host's clock (timedatectl) and the server's"
    case .tokenInactive: "the server's introspection calls its own token inactive"
    case .keyWithdrawn:
      "the server withdrew the key of a token that it issued: a new token is requested, nothing to do on this host"
    case .tokenRevoked: "the server revoked the token, and a new one is requested: ask its operator why"
    case .apiProbe:
      "the API at api_url answers 401 to tokens that verify: check api_url, then scope and audience with its operator"
    case .credentials: "the file with the client's secret or key must be readable, and nobody else's"
    }
  }
}
