/// One fault, with its place and its duration.
public struct Fault: Sendable, Hashable {
  /// What goes wrong.
  public var kind: Kind
  /// The endpoints that it affects. Empty means all of them. For faults of the token it means the token endpoint, and
  /// for faults of keys the key set. Faults of connections (`resetOnAccept`, `hangOnAccept`) affect every connection,
  /// because its request is not known yet.
  public var endpoints: Set<SandboxEndpoint>
  /// How many requests (or connections) it affects before it ends; nil for no limit.
  public var requests: Int?
  /// How many seconds it lasts from its injection; nil for no limit.
  public var seconds: Double?

  /// Makes a fault.
  public init(_ kind: Kind, at endpoints: Set<SandboxEndpoint> = [], requests: Int? = nil, seconds: Double? = nil) {
    self.kind = kind
    self.endpoints = endpoints
    self.requests = requests
    self.seconds = seconds
  }

  /// The kind of fault. Several faults that affect one request are applied in the order of their injection. For
  /// example, a delay, a forged claim and half a body can come together.
  public enum Kind: Sendable, Hashable {
    // MARK: Connections

    /// The connection is accepted and reset at once, before TLS.
    case resetOnAccept
    /// The connection is accepted, but no answer is ever sent, not even one of TLS.
    case hangOnAccept

    // MARK: Instead of an answer; no alert is accepted

    /// The request is read, then the connection is reset.
    case reset
    /// The request is read, then the connection is closed.
    case close
    /// The request is read and never answered.
    case hang
    /// Sends these bytes inside TLS in place of an HTTP response, then closes the connection.
    /// Each character stands for one byte, up to U+00FF.
    case rawBytes(String)

    // MARK: Another answer, from something else than the endpoint: no alert is accepted

    /// This status, these headers, this body. Without a `Content-Type` among the headers it is `text/plain`.
    case status(Int, headers: [String: String] = [:], body: String = "")
    /// This status with a `Retry-After` header (RFC 9110, section 10.2.3).
    case retryAfter(status: Int, RetryAfter)
    /// An error in the form of RFC 6749, section 5.2.
    case oauthError(String, status: Int = 400)
    /// 302 to this location.
    case redirect(String)
    /// 200 with a web page, as from a captive portal.
    case html
    /// 200 without a body.
    case empty
    /// 200 with this body, as JSON unless a content type is given.
    case body(String, contentType: String = "application/json")
    /// 200 with a JSON body of so many MiB.
    case huge(mebibytes: Int)
    /// 200 with a chunked body that never ends.
    case endless
    /// 200 with `Content-Encoding: gzip` and a body of spaces that unpacks to so many MiB, even if the request does not
    /// accept gzip.
    case gzipBomb(mebibytes: Int)
    /// The answer with this number of additional header fields of 1 KiB each.
    case headerFlood(fields: Int)
    /// The API answers 200 with `isSuccess` false in the envelope, and does nothing.
    case unsuccessful(code: String, message: String)

    // MARK: The answer, altered

    /// Another content type.
    case contentType(String)
    /// One more header field.
    case header(String, String)
    /// Another status for the same answer. 204, 205 and 304 have no body.
    case otherStatus(Int)
    /// The body in a content coding that the client did not ask for.
    case contentEncoding(ContentCoding)
    /// The first half of the body, with a Content-Length that fits it. The JSON is incomplete.
    case torn
    /// Members of the JSON answer set to other values, or added.
    case setMembers([String: JSON])
    /// Members of the JSON answer are removed.
    case removeMembers([String])
    /// `http` in place of `https` in every address of the JSON answer except the issuer.
    case insecureEndpoints
    /// Members of each key of the key set, set to other values or added.
    case setKeyMembers([String: JSON])
    /// Members of each key of the key set, taken away.
    case removeKeyMembers([String])
    /// More keys in the key set, before the real ones.
    case extraKeys([JSON])

    // MARK: The answer, delivered badly

    /// So many seconds pass before the answer.
    case delay(seconds: Double)
    /// The body comes in portions of so many bytes, by default one portion per second.
    case drip(bytes: Int = 1, every: Double = 1)
    /// The whole answer, from the status line on, comes in portions of so many bytes.
    case dripAll(bytes: Int = 1, every: Double = 1)
    /// Half of the body is sent, then the connection is closed.
    case halfBody
    /// The request has its effect, such as an accepted alert, but the client gets no response. The connection is reset.
    /// With a status, the client gets this status, as from a gateway.
    case lostResponse(status: Int? = nil)

    // MARK: The token

    /// Header parameters of the token set to other values, or added. The signature is right.
    case setTokenHeader([String: JSON])
    /// Header parameters of the token taken away. The signature is right.
    case removeTokenHeader([String])
    /// Claims of the token set to other values, or added. The signature is right.
    case setClaims([String: JSON])
    /// Claims of the token taken away. The signature is right.
    case removeClaims([String])
    /// `iat`, `nbf` and `exp` are shifted by so many seconds. The signature is right.
    case shiftTimes(seconds: Int64)
    /// A signature that is wrong in this way.
    case signature(BadSignature)
    /// This text in place of the token.
    case replaceToken(String)
    /// An opaque token, which introspection and the API know.
    case opaqueToken
  }

  /// The forms of a `Retry-After` header.
  public enum RetryAfter: Sendable, Hashable {
    /// Seconds.
    case seconds(Int)
    /// An HTTP date so many seconds from the answer, by the sandbox's clock.
    case date(inSeconds: Int)
    /// Any text.
    case text(String)
  }

  /// Wrong signatures.
  public enum BadSignature: String, Sendable, Hashable, CaseIterable, Codable {
    /// `alg` is `none`, and there is no signature.
    case none
    /// `alg` is `HS256`. The HMAC key is the PEM of the public key.
    case hs256WithPublicKey
    /// One byte of the signature is changed.
    case corrupted
    /// Signed by a key that is not published, under the current key's `kid`.
    case unpublishedKey
    /// Signed by a key that is not published, under its own `kid`.
    case unknownKey
    /// The signature is too short.
    case truncated
  }
}

/// Common faults for tests and demonstrations, by name.
extension Fault.Kind {
  /// The token expired an hour ago.
  public static var expiredToken: Self { .shiftTimes(seconds: -7200) }
  /// The token is valid only in an hour.
  public static var tokenNotYetValid: Self { .shiftTimes(seconds: 3600) }
  /// The token has another audience.
  public static var wrongAudience: Self { .setClaims(["aud": "someone-else"]) }
  /// The token has another issuer.
  public static var wrongTokenIssuer: Self { .setClaims(["iss": "https://evil.example"]) }
  /// The token has another client.
  public static var wrongClientID: Self { .setClaims(["client_id": "someone-else"]) }
  /// The token has another scope.
  public static var wrongTokenScope: Self { .setClaims(["scope": ["something-else"]]) }
  /// The token has another type. It is that of a DPoP proof, because the `JWT` of an ID token is legal.
  public static var wrongTokenType: Self { .setTokenHeader(["typ": "dpop+jwt"]) }
  /// The discovery document names another issuer.
  public static var wrongIssuer: Self { .setMembers(["issuer": "https://evil.example"]) }
}
