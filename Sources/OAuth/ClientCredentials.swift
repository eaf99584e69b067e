public import Base
import HTTP

/// All that a client has to prove itself with at its authorization server (RFC 6749, 2.3), and which of it to use.
public struct ClientCredentials: Sendable {
  /// How; with `auto` the server's metadata decides among what there are the means for.
  public var method: ClientAuthenticationMethod
  /// The secrets in the order of the settings; `nil` for one that cannot be read at present.
  public var secrets: [Secret?]
  /// How they are written with HTTP Basic.
  public var basicEncoding: BasicEncoding
  /// What signs assertions.
  public var key: ClientAssertionKey?
  /// Whom assertions are for.
  public var assertionAudience: AssertionAudience
  /// Whether the connection shows a client certificate.
  public var hasCertificate: Bool
  /// What the server took last: tried first.
  public var preferred: ClientAuthentication?

  /// Credentials of the given parts.
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

  /// The proofs to try, in turn: as long as the server says that the client is not known by one.
  ///
  /// - Parameters:
  ///   - supported: `token_endpoint_auth_methods_supported`; absent means `client_secret_basic` (RFC 8414, 2).
  ///   - clientID: the client's identifier, whose characters decide with the secret's whether both ways of HTTP Basic are one.
  func clientAuthentications(supported: [String]?, clientID: String) -> [ClientAuthentication] {
    let all = methods(supported ?? [ClientAuthenticationMethod.basic.rawValue]).flatMap {
      clientAuthentications(by: $0, clientID)
    }
    guard let preferred else { return all }
    // What worked last comes first, then what differs from it in the secret alone, as after a rotation, then in the encoding.
    func distance(_ clientAuthentication: ClientAuthentication) -> Int {
      if clientAuthentication == preferred { return 0 }
      guard clientAuthentication.method == preferred.method else { return 3 }
      return clientAuthentication.encoding == preferred.encoding ? 1 : 2
    }
    return (0...3).flatMap { rank in all.filter { distance($0) == rank } }
  }

  /// The proofs to try in turn at an endpoint other than the token endpoint, where `clientAuthentication` was taken.
  ///
  /// - Parameter supported: the methods that the server names for this endpoint; if it names none, they are taken to be as at the token endpoint.
  func clientAuthentications(like clientAuthentication: ClientAuthentication, supported: [String]?, clientID: String)
    -> [ClientAuthentication]
  {
    var open = self
    open.method = .auto
    open.preferred = nil
    let all = open.clientAuthentications(supported: supported ?? [], clientID: clientID).filter {
      $0 != clientAuthentication
    }
    // With the secret that was taken first; with the other one last, as it may have come into force since.
    func isByAnotherSecret(_ other: ClientAuthentication) -> Bool {
      other.isBySecret && clientAuthentication.isBySecret && other.secretIndex != clientAuthentication.secretIndex
    }
    let others = all.filter { !isByAnotherSecret($0) } + all.filter(isByAnotherSecret)
    // Servers (Glewlwyd among them) take HTTP Basic alone here, whatever they take at the token endpoint.
    guard let supported, !supported.contains(clientAuthentication.method.rawValue) else {
      return [clientAuthentication] + others
    }
    return others + [clientAuthentication]
  }

  /// The best first: what shows no secret to the server, then the secret in the body, which can be written in one way only.
  private static let preference: [ClientAuthenticationMethod] = [.privateKeyJWT, .tls, .selfSignedTLS, .post, .basic]

  private func methods(_ supported: [String]) -> [ClientAuthenticationMethod] {
    guard method == .auto else { return [method] }
    let possible = Self.preference.filter(hasMeans)
    let named = possible.filter { supported.contains($0.rawValue) }
    // Documents name methods that the server refuses, and leave out some that it takes: the others come after. The two methods
    // by certificate are one on the wire.
    let others = possible.filter { method in
      !named.contains(method)
        && !(method == .selfSignedTLS || (method == .tls && named.contains(.selfSignedTLS)))
    }
    return named + others
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

/// One way in which a client proves who it is, as it was taken by a server. Names no secret.
public struct ClientAuthentication: Hashable, Sendable, Codable {
  /// The method; never `auto`.
  public var method: ClientAuthenticationMethod
  /// How identifier and secret stand in HTTP Basic: `rfc6749` or `raw`; `nil` for the other methods.
  public var encoding: BasicEncoding?
  /// Which of the client's secrets; 0 for the methods that need none.
  public var secretIndex: Int

  /// A proof of the given parts.
  public init(_ method: ClientAuthenticationMethod, encoding: BasicEncoding? = nil, secretIndex: Int = 0) {
    self.method = method
    self.encoding = encoding
    self.secretIndex = secretIndex
  }

  /// For people: the method, and how HTTP Basic was written if there was a choice.
  public var description: String {
    switch encoding {
    case .raw: "\(method.rawValue) (unencoded)"
    case .rfc6749: "\(method.rawValue) (form-encoded)"
    case .auto, nil: method.rawValue
    }
  }

  /// Whether its credential is a secret that the server knows as well.
  var isBySecret: Bool { method == .post || method == .basic }
}

/// How the daemon proves to the token endpoint that it is the client: `client_auth`.
public enum ClientAuthenticationMethod: String, CaseIterable, Hashable, Sendable, Codable {
  /// The best of what the settings have the means for and the server's metadata names.
  case auto
  /// The secret in the request's body (RFC 6749, 2.3.1), as Konexus documents it.
  case post = "client_secret_post"
  /// The secret in an `Authorization: Basic` header (RFC 6749, 2.3.1).
  case basic = "client_secret_basic"
  /// An assertion signed with the client's key (RFC 7523, 2.2).
  case privateKeyJWT = "private_key_jwt"
  /// A certificate that an authority vouches for (RFC 8705, 2.1).
  case tls = "tls_client_auth"
  /// A certificate that the server knows as such (RFC 8705, 2.2).
  case selfSignedTLS = "self_signed_tls_client_auth"
}

/// How client_id and secret are written into an `Authorization: Basic` header: `basic_encoding`.
public enum BasicEncoding: String, CaseIterable, Hashable, Sendable, Codable {
  /// As RFC 6749 says, and on `invalid_client` once the other way.
  case auto
  /// Form-encoded first (RFC 6749, 2.3.1).
  case rfc6749
  /// As they are, as several servers expect against the RFC.
  case raw
}

/// The `aud` of a client assertion: `assertion_audience`.
public enum AssertionAudience: String, CaseIterable, Hashable, Sendable, Codable {
  /// The token endpoint's URL (RFC 7523, 3).
  case tokenEndpoint = "token_endpoint"
  /// The issuer.
  case issuer
}
