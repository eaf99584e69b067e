import Base

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
    duplicates = [header.duplicate, claims.duplicate].compactMap { $0.map { Printable.escapedJSON($0) } }
  }

  private static func members(of scan: JSONObjectScan) -> [Member] {
    scan.members.map { member in
      // Within its strings JSON has no raw line breaks and tabs; between its tokens a space does as well.
      let flat = scan.text(of: member).unicodeScalars.map { "\t\n\r".unicodeScalars.contains($0) ? " " : $0 }
      return Member(
        name: Printable.escapedJSON(member.name), json: Printable.escapedJSON(String(String.UnicodeScalarView(flat))))
    }
  }
}
