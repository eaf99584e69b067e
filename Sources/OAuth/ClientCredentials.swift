public import Base
import HTTP

/// A client and its credentials.
public struct AuthenticatedClient: Sendable {
  /// The client identifier (RFC 6749, 2.2).
  public var id: String
  /// The credentials.
  public var credentials: ClientCredentials

  /// Makes a client.
  public init(id: String, credentials: ClientCredentials) {
    self.id = id
    self.credentials = credentials
  }
}

/// The credentials of a client at its authorization server (RFC 6749, 2.3), and the client authentication to use.
public struct ClientCredentials: Sendable {
  /// The method. With `auto`, the server's metadata selects among the possible methods.
  public var method: ClientAuthenticationMethod
  /// The secrets in the order of the settings; nil for a secret that cannot be read at present.
  public var secrets: [Secret?]
  /// What is unusual about a secret, for the administrator. It shows nothing of the secret.
  public var secretDoubt: String?
  /// The encoding with HTTP Basic.
  public var basicEncoding: BasicEncoding
  /// The key that signs assertions.
  public var key: ClientAssertionKey?
  /// The audience of assertions.
  public var assertionAudience: AssertionAudience
  /// Whether the connection uses a client certificate.
  public var hasCertificate: Bool
  /// The client authentication that the server accepted last. It is tried first.
  public var preferred: ClientAuthentication?

  /// Makes credentials.
  public init(
    method: ClientAuthenticationMethod = .post, secrets: [Secret?] = [], basicEncoding: BasicEncoding = .auto,
    key: ClientAssertionKey? = nil, assertionAudience: AssertionAudience = .tokenEndpoint, hasCertificate: Bool = false,
    preferred: ClientAuthentication? = nil
  ) {
    self.method = method
    self.secrets = secrets
    self.basicEncoding = basicEncoding
    self.key = key
    self.assertionAudience = assertionAudience
    self.hasCertificate = hasCertificate
    self.preferred = preferred
  }

  /// Whether the secrets and the keys are the same.
  func areEqual(to other: ClientCredentials) -> Bool {
    guard secrets == other.secrets else { return false }
    guard let key, let otherKey = other.key else { return key == nil && other.key == nil }
    return key.isEqual(to: otherKey)
  }

  /// The client authentications to try in turn, as long as the server rejects the client.
  ///
  /// - Parameters:
  ///   - supported: `token_endpoint_auth_methods_supported`. Absent means `client_secret_basic` (RFC 8414, 2).
  ///   - clientID: The client's identifier. For some identifiers and secrets, both encodings of HTTP Basic are equal.
  func clientAuthentications(supported: [String]?, clientID: String) -> [ClientAuthentication] {
    let all = methods(supported ?? [ClientAuthenticationMethod.basic.rawValue]).flatMap {
      clientAuthentications(by: $0, clientID)
    }
    guard let preferred else { return all }
    // The one that worked last comes first. Those with another secret follow, for a rotation. Those with another
    // encoding are last.
    func distance(_ clientAuthentication: ClientAuthentication) -> Int {
      if clientAuthentication == preferred { return 0 }
      guard clientAuthentication.method == preferred.method else { return 3 }
      return clientAuthentication.encoding == preferred.encoding ? 1 : 2
    }
    return (0...3).flatMap { rank in all.filter { distance($0) == rank } }
  }

  /// The client authentications to try in turn at another endpoint than the token endpoint, which accepted
  /// `clientAuthentication`.
  ///
  /// - Parameter supported: The methods that the server names for this endpoint. Without them, those of the token
  ///   endpoint apply.
  func clientAuthentications(like clientAuthentication: ClientAuthentication, supported: [String]?, clientID: String)
    -> [ClientAuthentication]
  {
    var open = self
    open.method = .auto
    open.preferred = nil
    let all = open.clientAuthentications(supported: supported ?? [], clientID: clientID).filter {
      $0 != clientAuthentication
    }
    // The accepted secret comes first. The other secret comes last, as it may have become valid since.
    func isByAnotherSecret(_ other: ClientAuthentication) -> Bool {
      other.isBySecret && clientAuthentication.isBySecret && other.secretIndex != clientAuthentication.secretIndex
    }
    let others = all.filter { !isByAnotherSecret($0) } + all.filter(isByAnotherSecret)
    // Some servers, such as Glewlwyd, accept only HTTP Basic here, even if they accept other methods at the token
    // endpoint.
    guard let supported, !supported.contains(clientAuthentication.method.rawValue) else {
      return [clientAuthentication] + others
    }
    return others + [clientAuthentication]
  }

  /// The best come first. These are the methods that show no secret to the server. The secret in the body, which has
  /// only one form, follows.
  private static let preference: [ClientAuthenticationMethod] = [.privateKeyJWT, .tls, .selfSignedTLS, .post, .basic]

  private func methods(_ supported: [String]) -> [ClientAuthenticationMethod] {
    guard method == .auto else { return [method] }
    let possible = Self.preference.filter(hasMeans)
    let named = possible.filter { supported.contains($0.rawValue) }
    // Some documents name methods that the server rejects, and omit methods that it accepts. The unnamed methods come
    // last. The two methods by certificate are the same request.
    let others = possible.filter { method in
      !named.contains(method)
        && !(method == .selfSignedTLS || (method == .tls && named.contains(.selfSignedTLS)))
    }
    return named + others
  }

  /// Whether assertions are signed without the thumbprint of a certificate, which some servers require.
  var lacksThumbprint: Bool {
    [.privateKeyJWT, .auto].contains(method) && key.map { !$0.namesCertificate } ?? false
  }

  private func hasMeans(_ method: ClientAuthenticationMethod) -> Bool {
    switch method {
    case .auto: false
    case .post, .basic: secrets.contains { $0 != nil }
    case .privateKeyJWT: key != nil
    case .tls, .selfSignedTLS: hasCertificate
    }
  }

  private func clientAuthentications(by method: ClientAuthenticationMethod, _ clientID: String)
    -> [ClientAuthentication]
  {
    let indices = secrets.indices.filter { secrets[$0] != nil }
    switch method {
    case .auto: return []
    case .privateKeyJWT, .tls, .selfSignedTLS: return hasMeans(method) ? [ClientAuthentication(method)] : []
    case .post: return indices.map { ClientAuthentication(.post, secretIndex: $0) }
    case .basic:
      let encodings: [BasicEncoding] = basicEncoding == .auto ? [.rfc6749, .raw] : [basicEncoding]
      return encodings.flatMap { encoding in
        indices.compactMap { index in
          let isOther = encoding == .raw && encodings.count > 1
          if isOther, !encodingMatters(clientID, secrets[index]) { return nil }
          return ClientAuthentication(.basic, encoding: encoding, secretIndex: index)
        }
      }
    }
  }

  private func encodingMatters(_ clientID: String, _ secret: Secret?) -> Bool {
    guard let secret else { return false }
    return FormEncoding.encoded(.secret(secret)) != secret
      || FormEncoding.encoded(.text(clientID)) != Secret(clientID)
  }
}

/// A client authentication as a server accepted it. It holds no secret.
public struct ClientAuthentication: Hashable, Sendable, Codable {
  /// The method; never `auto`.
  public var method: ClientAuthenticationMethod
  /// The encoding with HTTP Basic, `rfc6749` or `raw`; nil for the other methods.
  public var encoding: BasicEncoding?
  /// The index of the secret; 0 for methods without a secret.
  public var secretIndex: Int

  /// Makes a client authentication.
  public init(_ method: ClientAuthenticationMethod, encoding: BasicEncoding? = nil, secretIndex: Int = 0) {
    self.method = method
    self.encoding = encoding
    self.secretIndex = secretIndex
  }

  /// The method, and the encoding of HTTP Basic if there was a choice.
  public var description: String {
    switch encoding {
    case .raw: "\(method.rawValue) (unencoded)"
    case .rfc6749: "\(method.rawValue) (form-encoded)"
    case .auto, nil: method.rawValue
    }
  }

  /// Whether it uses a secret that the server also knows.
  var isBySecret: Bool { method == .post || method == .basic }
}

/// The methods of client authentication: `client_auth`.
public enum ClientAuthenticationMethod: String, CaseIterable, Hashable, Sendable, Codable {
  /// The best method that is both configured and in the server's metadata.
  case auto
  /// The secret in the request's body (RFC 6749, 2.3.1). Konexus documents this method.
  case post = "client_secret_post"
  /// The secret in an `Authorization: Basic` header (RFC 6749, 2.3.1).
  case basic = "client_secret_basic"
  /// An assertion signed with the client's key (RFC 7523, 2.2).
  case privateKeyJWT = "private_key_jwt"
  /// A certificate of a certificate authority (RFC 8705, 2.1).
  case tls = "tls_client_auth"
  /// A certificate that is registered at the server (RFC 8705, 2.2).
  case selfSignedTLS = "self_signed_tls_client_auth"
}

/// The encoding of client_id and secret in an `Authorization: Basic` header: `basic_encoding`.
public enum BasicEncoding: String, CaseIterable, Hashable, Sendable, Codable {
  /// As in RFC 6749. After `invalid_client`, the other encoding is tried once.
  case auto
  /// Form-encoded first (RFC 6749, 2.3.1).
  case rfc6749
  /// Not encoded. Several servers require this, although the RFC does not allow it.
  case raw
}

/// The `aud` of a client assertion: `assertion_audience`.
public enum AssertionAudience: String, CaseIterable, Hashable, Sendable, Codable {
  /// The token endpoint's URL (RFC 7523, 3).
  case tokenEndpoint = "token_endpoint"
  /// The issuer.
  case issuer
}
