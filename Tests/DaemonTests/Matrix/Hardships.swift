import KonexusSandbox

/// Every failure from the issues of the daemon's peers, and some more.
extension Hardship {
  /// Those that can come at any moment.
  static let all = connections + answers + refusals + responses + tokens

  private static let connections = [
    Hardship("connections refused", .connection, .down),
    Hardship("connections reset at once", .connection, connections: .resetOnAccept),
    Hardship("connections accepted and forgotten", .timeout, connections: .hangOnAccept),
    Hardship("reset instead of an answer", .connection, .reset),
    Hardship("closed instead of an answer", .connection, .close),
    Hardship("no answer", .timeout, .hang),
    Hardship("an answer that comes too late", .timeout, .delay(seconds: 6)),
    Hardship("one byte a second", .timeout, .drip(bytes: 1, every: 1)),
  ]

  private static let answers = [
    Hardship("500", .serverError, .status(500)),
    Hardship("502 with a page", .serverError, .status(502, headers: ["Content-Type": "text/html"], body: "<h1>!</h1>")),
    Hardship("408", .serverError, .status(408)),
    Hardship("503, Retry-After in seconds", .serverError, .retryAfter(status: 503, .seconds(2))).asking(retryAfter: 2),
    Hardship("503, Retry-After as a date", .serverError, .retryAfter(status: 503, .date(inSeconds: 3)))
      .asking(retryAfter: 2),
    Hardship("503, Retry-After absurd", .serverError, .retryAfter(status: 503, .text("when pigs fly"))),
    Hardship("503, Retry-After negative", .serverError, .retryAfter(status: 503, .text("-5"))),
    Hardship("503, Retry-After of a century", .serverError, .retryAfter(status: 503, .text("3153600000")))
      .askingForAges(),
    Hardship(
      "503, Retry-After beyond any integer", .serverError, .retryAfter(status: 503, .text("9999999999999999999999"))
    ).askingForAges(),
    Hardship("429, Retry-After in seconds", .tooManyRequests, .retryAfter(status: 429, .seconds(2)))
      .asking(retryAfter: 2),
    Hardship("429 without more", .tooManyRequests, .status(429)),
    Hardship("302 within the server", .redirect, .redirect("/elsewhere")),
    Hardship("302 to a metadata address", .redirect, .redirect("http://169.254.169.254/latest")),
    Hardship("400 without an OAuth error", .rejected, .status(400)),
    Hardship("401 without an OAuth error", .rejected, .status(401)),
    Hardship("403 with an empty body", .rejected, .status(403)),
    Hardship("404", .rejected, .status(404)),
    Hardship("half of the body", .brokenResponse, .halfBody),
    Hardship("no HTTP at all", .brokenResponse, .rawBytes("SSH-2.0-OpenSSH_9.2\r\n")),
    Hardship("a body of 100 MiB", .tooLarge, .huge(mebibytes: 100)),
    Hardship("a body without an end", .tooLarge, .endless),
    Hardship("a flood of header fields", .tooLarge, .headerFlood(fields: 200)),
  ]

  private static let refusals = [
    Hardship("invalid_client", .invalidClient, .oauthError("invalid_client")),
    Hardship("invalid_client with 401", .invalidClient, .oauthError("invalid_client", status: 401)),
    Hardship("unauthorized_client", .unauthorizedClient, .oauthError("unauthorized_client")),
    Hardship("invalid_scope", .invalidScope, .oauthError("invalid_scope")),
    Hardship("scope_invalid, which no standard knows", .invalidScope, .oauthError("scope_invalid")),
    Hardship("unsupported_grant_type", .oauthError, .oauthError("unsupported_grant_type")),
    Hardship("invalid_request", .oauthError, .oauthError("invalid_request")),
    Hardship("server_error with 400", .serverBusy, .oauthError("server_error")),
    Hardship("temporarily_unavailable", .serverError, .oauthError("temporarily_unavailable", status: 503)),
    Hardship("slow_down", .tooManyRequests, .oauthError("slow_down")),
    Hardship("invalid_client with 200", .invalidClient, .body(#"{"error":"invalid_client"}"#)),
    Hardship(
      "an error_description that is a list", .invalidScope,
      .status(
        400, headers: ["Content-Type": "application/json"],
        body: #"{"error":"invalid_scope","error_description":["no","never"]}"#)),
  ]

  private static let responses = [
    Hardship("a page of a captive portal", .malformedAnswer, .html),
    Hardship("200 with an empty body", .malformedAnswer, .empty),
    Hardship("204", .malformedAnswer, .otherStatus(204)),
    Hardship("brotli, which was not asked for", .contentEncoding, .contentEncoding(.brotli)),
    Hardship("torn JSON", .malformedAnswer, .torn),
    Hardship("JSON that is no object", .malformedAnswer, .body("[1, 2]")),
    Hardship("JSON null", .malformedAnswer, .body("null")),
    Hardship("no access_token", .malformedAnswer, .removeMembers(["access_token"])),
    Hardship("no token_type", .tokenType, .removeMembers(["token_type"])),
    Hardship("another token_type", .tokenType, .setMembers(["token_type": "mac"])),
    Hardship("a token_type that a setting accepts", .tokenType, .setMembers(["token_type": "BearerToken"])),
    Hardship("expires_in of zero", .lifetime, .setMembers(["expires_in": 0])),
    Hardship("expires_in negative", .lifetime, .setMembers(["expires_in": -3600])),
    Hardship("expires_in no number", .lifetime, .setMembers(["expires_in": "soon"])),
  ]

  private static let tokens = [
    Hardship("alg none", .malformedToken, .signature(.none)),
    Hardship("HS256 with the public key", .algorithm, .signature(.hs256WithPublicKey)),
    Hardship("a signature with a flipped bit", .signature, .signature(.corrupted)),
    Hardship("a key that is not published, under a published kid", .signature, .signature(.unpublishedKey)),
    Hardship("a kid that is not published", .unknownKey, .signature(.unknownKey)),
    Hardship("a signature that is cut short", .signature, .signature(.truncated)),
    Hardship("another audience", .wrongAudience, .wrongAudience),
    Hardship("another issuer", .wrongIssuer, .wrongTokenIssuer),
    Hardship("another client's", .wrongClient, .wrongClientID),
    Hardship("another scope", .missingScope, .wrongTokenScope),
    Hardship("another type", .wrongType, .wrongTokenType),
    Hardship("expired", .tokenExpired, .expiredToken),
    Hardship("not valid yet", .tokenNotYetValid, .tokenNotYetValid),
    Hardship("opaque", .malformedToken, .opaqueToken),
    Hardship("three dots", .malformedToken, .replaceToken("a.b.c")),
    Hardship("with a line break, to forge a header", .unsendableToken, .replaceToken("a.b.c\r\nX-Evil: 1")),
    Hardship("a critical extension", .malformedToken, .setTokenHeader(["crit": ["b64"], "b64": false])),
    Hardship("without an end", .malformedToken, .removeClaims(["exp"])),
    Hardship("without an audience", .wrongAudience, .removeClaims(["aud"])),
    Hardship("without an issuer", .wrongIssuer, .removeClaims(["iss"])),
  ]

  /// Hardships of this host's own connection, for which only the proxy counts at the first start.
  ///
  /// A wrong `ca_file` or secret file is a configuration error there, see `MisconfigurationTests`.
  static let ofProxies = [
    Hardship("the proxy is gone", .proxy, .proxyGone),
    Hardship("the proxy wants a password", .proxy, .proxyRefuses(status: 407)),
    Hardship("the proxy lets nobody through", .proxy, .proxyRefuses(status: 403)),
    Hardship("the proxy cannot reach the server", .proxy, .proxyRefuses(status: 502)),
  ]

  static let ofFiles = [
    Hardship("ca_file holds no certificate", .tlsCAFile, .caFile("none\n")),
    Hardship("the file with the client's secret is gone", .credentials, .noSecretFile),
  ]

  /// Hardships of discovery and of the key set.
  ///
  /// At the first start they all count. Later the daemon uses the last good documents during an outage (`isOutage`).
  /// It always rejects wrong documents.
  static let ofDocuments = [
    Hardship("discovery: 503", .serverError, .status(503), at: .discovery),
    Hardship("discovery: 404", .documentRejected, .status(404), at: .discovery),
    Hardship("discovery: a page", .malformedAnswer, .html, at: .discovery),
    Hardship("discovery: brotli", .contentEncoding, .contentEncoding(.brotli), at: .discovery),
    Hardship("discovery: torn", .malformedAnswer, .torn, at: .discovery),
    Hardship("discovery: hangs", .timeout, .hang, at: .discovery),
    Hardship("discovery: redirect", .documentRejected, .redirect("https://evil.example/"), at: .discovery),
    Hardship("discovery: 100 MiB", .tooLarge, .huge(mebibytes: 100), at: .discovery),
    Hardship("discovery: another issuer", .issuerMismatch, .wrongIssuer, at: .discovery),
    Hardship(
      "discovery: a slash too many", .issuerMismatch, .setMembers(["issuer": "https://localhost/"]), at: .discovery),
    Hardship("discovery: no token_endpoint", .discoveryIncomplete, .removeMembers(["token_endpoint"]), at: .discovery),
    Hardship("discovery: no jwks_uri", .discoveryIncomplete, .removeMembers(["jwks_uri"]), at: .discovery),
    Hardship(
      "discovery: token_endpoint without TLS", .insecureEndpoint,
      .setMembers(["token_endpoint": "http://auth.example/token"]), at: .discovery),
    Hardship(
      "discovery: token_endpoint without TLS, at this very host", .insecureEndpoint,
      .setMembers(["token_endpoint": "http://localhost:8080/token"]), at: .discovery),
    Hardship(
      "discovery: jwks_uri is a file", .insecureEndpoint, .setMembers(["jwks_uri": "file:///etc/passwd"]),
      at: .discovery
    ),
    Hardship("keys: 500", .serverError, .status(500), at: .jwks),
    Hardship("keys: 404", .documentRejected, .status(404), at: .jwks),
    Hardship("keys: a page", .malformedAnswer, .html, at: .jwks),
    Hardship("keys: torn", .malformedAnswer, .torn, at: .jwks),
    Hardship("keys: none", .malformedAnswer, .setMembers(["keys": []]), at: .jwks),
    Hardship("keys: 204", .malformedAnswer, .otherStatus(204), at: .jwks),
    Hardship("keys: brotli", .contentEncoding, .contentEncoding(.brotli), at: .jwks),
    Hardship("keys: hang", .timeout, .hang, at: .jwks),
    Hardship("keys: without an end", .tooLarge, .endless, at: .jwks),
  ]

  /// Those of names and certificates: they need a daemon with names of its own.
  static let ofNames = [
    Hardship("the name is unknown", .nameResolution, .noName),
    Hardship("an unknown authority", .tlsUnknownAuthority, .certificate(.unknownAuthority)),
    Hardship("an expired certificate", .tlsExpired, .certificate(.expired)),
    Hardship("a certificate of tomorrow", .tlsNotYetValid, .certificate(.notYetValid)),
    Hardship("a certificate for another name", .tlsHostName, .certificate(.wrongHostName)),
    Hardship("TLS 1.1", .tlsOther, .tls(.tls11)),
  ]
}
