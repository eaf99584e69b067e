/// What a JWT says, without any check whether it may be believed: for showing to a person.
///
/// The signature is left out, so what is shown cannot be used as a token.
public struct TokenInspection: Hashable, Sendable {
  /// A member of the header or of the claims.
  public struct Member: Hashable, Sendable {
    /// Its name. Characters that could confuse a terminal are escaped.
    public let name: String
    /// Its value's JSON text as the token has it, except that characters that could confuse a terminal are escaped (as JSON does it).
    public let json: String
  }

  /// The header's members in their order.
  public let header: [Member]
  /// The claims in their order.
  public let claims: [Member]
  /// The signature's length in bytes.
  public let signatureByteCount: Int
  /// Names that come twice in one object, for which a verifier would refuse the token.
  public let duplicates: [String]

  /// Takes a signed JWT in compact form apart.
  ///
  /// Throws `.oversized` or `.malformed` if it is none; the message tells an opaque or encrypted token from a damaged one.
  public init(of token: [UInt8]) throws(VerificationFailure) {
    let token = try CompactToken(token)
    let header = try JSONObjectScan(ofToken: "header", token.header)
    let claims = try JSONObjectScan(ofToken: "claims set", token.claims)
    self.header = Self.members(of: header)
    self.claims = Self.members(of: claims)
    signatureByteCount = token.signature.count
    duplicates = [header.duplicate, claims.duplicate].compactMap { $0.map(Self.shown) }
  }

  private static func members(of scan: JSONObjectScan) -> [Member] {
    scan.members.map { member in
      // Within its strings JSON has no raw line breaks and tabs; between its tokens a space does as well.
      let flat = scan.text(of: member).unicodeScalars.map { "\t\n\r".unicodeScalars.contains($0) ? " " : $0 }
      return Member(name: shown(member.name), json: shown(String(String.UnicodeScalarView(flat))))
    }
  }

  /// `text` with everything escaped, in JSON's way, that is neither visible nor a space.
  private static func shown(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .surrogate:
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
