import Cryptography

/// The signature algorithms that are accepted, by their JOSE names (RFC 7518 section 3.1, RFC 8037).
///
/// This list is the whole allow-list (RFC 8725 section 3.1): `none` and the HMACs are not in it, so no path leads to them.
public enum SignatureAlgorithm: String, CaseIterable, Codable, Hashable, Sendable {
  /// RSASSA-PKCS1-v1_5 with SHA-256.
  case rs256 = "RS256"
  /// RSASSA-PKCS1-v1_5 with SHA-384.
  case rs384 = "RS384"
  /// RSASSA-PKCS1-v1_5 with SHA-512.
  case rs512 = "RS512"
  /// RSASSA-PSS with SHA-256.
  case ps256 = "PS256"
  /// RSASSA-PSS with SHA-384.
  case ps384 = "PS384"
  /// RSASSA-PSS with SHA-512.
  case ps512 = "PS512"
  /// ECDSA on P-256 with SHA-256.
  case es256 = "ES256"
  /// ECDSA on P-384 with SHA-384.
  case es384 = "ES384"
  /// ECDSA on P-521 with SHA-512.
  case es512 = "ES512"
  /// Ed25519; RFC 9864 gives it the name `Ed25519` as well.
  case edDSA = "EdDSA"

  /// The algorithm that a header's or a key's `alg` names, exactly as written; nil if it is not on the list.
  public init?(name: String) {
    // `init(rawValue:)` compares with ==, which takes the Kelvin sign for a K: letters of no name here, yet not to be relied on.
    if name.isExactly("Ed25519") {
      self = .edDSA
    } else if let known = Self.allCases.first(where: { $0.rawValue.isExactly(name) }) {
      self = known
    } else {
      return nil
    }
  }
}

extension SignatureAlgorithm {
  /// How messages are signed by it.
  var scheme: SignatureScheme {
    switch self {
    case .rs256: .rsaPKCS1(.sha256)
    case .rs384: .rsaPKCS1(.sha384)
    case .rs512: .rsaPKCS1(.sha512)
    case .ps256: .rsaPSS(.sha256)
    case .ps384: .rsaPSS(.sha384)
    case .ps512: .rsaPSS(.sha512)
    case .es256: .ecdsa(.p256)
    case .es384: .ecdsa(.p384)
    case .es512: .ecdsa(.p521)
    case .edDSA: .ed25519
    }
  }
}
