/// Why an attempt to get a verified token failed.
public struct AcquisitionFailure: Error, Hashable, Sendable {
  /// The kind of error, which decides retries and wording.
  public var code: FailureCode

  /// One sentence: what was requested from which server, and what happened. It never contains a secret or a token.
  public var message: String

  /// How long the server asked to wait (RFC 9110, 10.2.3).
  public var retryAfter: Duration?

  /// The request that failed, or one that shows the cause; `nil` if there is none.
  public var request: FailedRequest?

  /// A remedy for this failure alone; `nil` if the remedy of its code fits.
  public var ownRemedy: String?

  /// A failure of this code.
  public init(_ code: FailureCode, _ message: String, retryAfter: Duration? = nil, remedy: String? = nil) {
    self.code = code
    self.message = message
    self.retryAfter = retryAfter
    ownRemedy = remedy
  }

  /// What an administrator can do, in one line. A command is at its end, with the values of this failure.
  public var remedy: String { ownRemedy ?? code.remedy(for: request) }

  /// The kind of failure, which decides when the next attempt is made.
  public var kind: FailureCode.Kind { code.kind }
}

/// All ways in which an attempt can fail. The raw values are stable: they are in logs (`FAILURE=`), in the status file
/// and in the manual's table of failures. A test compares that table with this list.
public enum FailureCode: String, CaseIterable, Hashable, Sendable, Codable {
  // The connection to the server.
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
  case contentEncoding = "content-encoding"
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
  case unsendableToken = "unsendable-token"
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
      .tlsCAFile, .tlsClientCertificate, .tlsPin, .tlsOther, .timeout, .brokenResponse, .tooLarge, .contentEncoding,
      .serverError, .tooManyRequests, .malformedAnswer,
      .serverBusy, .lifetime, .unsendableToken, .malformedToken, .unknownKey, .signature, .tokenExpired,
      .tokenNotYetValid, .tokenInactive, .keyWithdrawn, .tokenRevoked, .credentials:
      .transient
    case .redirect, .rejected, .documentRejected, .discoveryIncomplete, .issuerMismatch, .insecureEndpoint,
      .invalidClient, .unauthorizedClient, .invalidScope, .oauthError, .tokenType, .algorithm, .wrongIssuer,
      .wrongAudience, .wrongType, .wrongClient, .missingScope, .apiProbe:
      .refused
    }
  }

  /// What an administrator can do, in one line.
  public var remedy: String { remedy(for: nil) }

  /// What an administrator can do, in one line. A command is at its end.
  ///
  /// - Parameter request: the request for the command; `nil` leaves out the commands that need one.
  public func remedy(for request: FailedRequest?) -> String {
    switch self {
    case .nameResolution: request.remedy("check issuer and this host's resolver") { $0.resolve }
    case .connection: request?.curl("-v") ?? "check that the server runs and that no firewall blocks it"
    case .proxy: request.remedy("check proxy, HTTPS_PROXY and NO_PROXY") { $0.curl("-v") }
    case .tlsUnknownAuthority:
      "set ca_file to the CA certificate of the server, or install it with update-ca-certificates"
    case .tlsExpired: "have the server's certificate renewed, and check this host's clock: date -u"
    case .tlsNotYetValid: "check this host's clock: date -u"
    case .tlsHostName: request.remedy("set issuer to a name that the server's certificate has") { $0.curl("-v") }
    case .tlsCAFile:
      "ca_file and client_certificate_file must be PEM files that the daemon can read and other users cannot change"
    case .tlsClientCertificate:
      request.remedy("set client_certificate_file to a certificate that the server accepts") { $0.curl("-v") }
    case .tlsPin:
      "ask the server's operator whether its key changed; if it did, set pinned_public_key to the new key"
    case .tlsOther:
      request.remedy("the server must support TLS 1.2 or newer, with a certificate that this host trusts") {
        $0.curl("-v")
      }
    case .timeout: request.remedy("raise timeout if the server is only slow") { $0.curl("-v") }
    case .brokenResponse: request.remedy("see where the response ends") { $0.curl("-v") }
    case .tooLarge: request.remedy("check that issuer is the right server") { $0.curl("-v") }
    case .contentEncoding:
      request.remedy("the server, or a proxy before it, must send no content coding, or gzip or deflate") {
        $0.curl("-v")
      }
    case .serverError: "no action on this host: the authorization server has a fault"
    case .tooManyRequests: "the authorization server limits requests: give each host its own client_id"
    case .redirect: "redirects are not followed: set issuer to the final address"
    case .rejected: "check client_id and the client secret: the server rejected them without an OAuth error"
    case .documentRejected: request.remedy("check issuer") { $0.curl("-i") }
    case .malformedAnswer: request.remedy("see whether a captive portal or a proxy responds") { $0.curl("-i") }
    case .discoveryIncomplete:
      request.remedy("the server must publish what is missing, unless a setting has it") { $0.curl("-i") }
    case .issuerMismatch:
      request.remedy("set issuer to exactly the issuer of the discovery document") { $0.curl("-i") }
    case .insecureEndpoint: request.remedy("the server must publish https endpoints") { $0.curl("-i") }
    case .invalidClient:
      "ask Konexus whether client_id and its secret, key or certificate are valid, and apply a correction: "
        + "konexus-tokend reload"
    case .unauthorizedClient: "ask the server's operator to allow this client the client_credentials grant"
    case .invalidScope: "set scope to what the server allows for this client"
    case .oauthError: "ask the server's operator what this error means"
    case .serverBusy: "no action on this host: the authorization server has a fault"
    case .tokenType: "only Bearer tokens (RFC 6750) can be published: see token_type in konexus-tokend.toml(5)"
    case .lifetime: "the server must issue tokens that are valid for at least 3 s, with expires_in"
    case .unsendableToken: "the server must issue tokens of at most 65536 visible ASCII characters: ask its operator"
    case .malformedToken: "the access token is not a JWT: see verify in konexus-tokend.toml(5)"
    case .algorithm: "the token must be signed with RS, PS, ES 256 to 512 or EdDSA"
    case .unknownKey: "the server must publish the key that it signs with"
    case .signature: "the server must sign with the key that the token names"
    case .wrongIssuer:
      "the token was issued by another server than issuer: see access_token_issuer in konexus-tokend.toml(5)"
    case .wrongAudience: "set audience to what the API expects, or ask for the right scope"
    case .wrongType: "the server must issue access tokens (typ at+jwt or JWT)"
    case .wrongClient: "check client_id: the token was issued to another client"
    case .missingScope: "ask the server's operator to grant the whole scope, or remove the rest from scope"
    case .tokenExpired: "check this host's clock, as the token was expired on receipt: date -u"
    case .tokenNotYetValid: "check this host's clock, as the token is not valid yet: date -u"
    case .tokenInactive: "ask the server's operator why introspection reports a new token as inactive"
    case .keyWithdrawn: "no action on this host: the server withdrew a key, and a new token is requested"
    case .tokenRevoked: "a new token is requested; ask the server's operator why it revoked the token"
    case .apiProbe:
      request.remedy("check api_url, then ask the API's operator which scope and audience it requires") {
        $0.curl("-i")
      }
    case .credentials: "the daemon must be able to read the file of the client's secret or key, and no other user"
    }
  }
}
