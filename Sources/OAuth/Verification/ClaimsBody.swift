/// The claims of an access token as decoded, before any of them was compared with anything.
struct ClaimsBody: Decodable {
  let iss: String?
  let sub: String?
  let aud: Texts?
  let exp: NumericDate?
  let nbf: NumericDate?
  let iat: NumericDate?
  let jti: String?
  let scope: Texts?
  let scp: Texts?
  let clientID: String?
  let azp: String?

  private enum CodingKeys: String, CodingKey {
    case iss, sub, aud, exp, nbf, iat, jti, scope, scp, azp
    case clientID = "client_id"
  }

  /// One text or an array of texts, as `aud` and `scope` may be.
  enum Texts: Decodable {
    case one(String)
    case many([String])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self) {
        self = .one(text)
      } else {
        self = .many(try container.decode([String].self))
      }
    }

    /// A single text as an array of one.
    var values: [String] {
      switch self {
      case .one(let text): [text]
      case .many(let texts): texts
      }
    }
  }

  /// Seconds since 1970 (RFC 7519 section 2), between 1970 and the end of the year 9999, fractions cut off.
  struct NumericDate: Decodable {
    let seconds: Int64

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      let value = try container.decode(Double.self)
      guard value >= 0, value < 253_402_300_800 else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "not a point in time before the year 10000")
      }
      seconds = Int64(value)
    }
  }
}

extension ClaimsBody {
  /// The scopes of `scope`, else of `scp`: names with spaces between them (RFC 6749 section 3.3), or an array of names.
  func grantedScopes() throws(VerificationFailure) -> [String]? {
    guard let texts = (scope ?? scp)?.values else { return nil }
    guard let names = ScopeNames.parse(texts) else {
      throw VerificationFailure(.scopeSyntax, "the token has \(ScopeNames.fault)")
    }
    return names
  }

  /// Times alone.
  init(exp: NumericDate?, iat: NumericDate?) {
    self.init(
      iss: nil, sub: nil, aud: nil, exp: exp, nbf: nil, iat: iat, jti: nil, scope: nil, scp: nil, clientID: nil,
      azp: nil)
  }
}
