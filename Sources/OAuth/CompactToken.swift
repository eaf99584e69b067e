import Base

/// A JWT in JWS compact form (RFC 7515 section 7.1), split strictly and not verified yet.
struct CompactToken {
  /// The longest accepted token.
  static let maximumBytes = 64 * 1024

  /// The header's JSON.
  let header: [UInt8]
  /// The claims' JSON.
  let claims: [UInt8]
  /// The raw signature.
  let signature: [UInt8]
  /// The signed bytes: the received bytes up to the second dot (RFC 7515 section 5.2), not a new encoding.
  let signedBytes: ArraySlice<UInt8>

  /// Splits `bytes` into three parts. No part is empty, and each is base64url without padding.
  init(_ bytes: [UInt8]) throws(VerificationFailure) {
    guard bytes.count <= Self.maximumBytes else {
      throw VerificationFailure(
        .oversized(bytes: bytes.count),
        "the token is \(bytes.count) bytes long; at most \(Self.maximumBytes) are accepted")
    }
    guard !bytes.isEmpty else { throw VerificationFailure(.malformed, "there is no token: it is empty") }
    let dots = bytes.indices.filter { bytes[$0] == UInt8(ascii: ".") }
    guard dots.count == 2 else {
      let hint =
        switch dots.count {
        case 0: ": it looks like an opaque token, which cannot be verified here"
        case 4: ": it looks like an encrypted token (JWE), which is not supported"
        default: ""
        }
      throw VerificationFailure(
        .malformed,
        "the token is not a signed JWT: it has \(dots.count + 1) \(dots.isEmpty ? "part" : "parts") instead of 3\(hint)"
      )
    }
    let parts = [bytes[..<dots[0]], bytes[(dots[0] + 1)..<dots[1]], bytes[(dots[1] + 1)...]]
    var decoded: [[UInt8]] = []
    for (part, name) in zip(parts, ["header", "claims", "signature"]) {
      guard !part.isEmpty else {
        throw VerificationFailure(.malformed, "the token is not a signed JWT: its \(name) part is empty")
      }
      guard let bytes = Base64URL.decode(part) else {
        throw VerificationFailure(
          .malformed, "the token is not a signed JWT: its \(name) part is not base64url without padding")
      }
      decoded.append(bytes)
    }
    header = decoded[0]
    claims = decoded[1]
    signature = decoded[2]
    signedBytes = bytes[..<dots[1]]
  }
}

/// The JSON of a token's header or claims, or of an introspection response. `name` names it in messages.
struct TokenPart {
  let name: String
  let json: StrictJSON

  init(_ name: String, _ bytes: [UInt8]) throws(VerificationFailure) {
    self.name = name
    do {
      json = try StrictJSON(bytes)
    } catch {
      let problem =
        switch error {
        case .encoding: "is not valid UTF-8"
        case .syntax(let offset): "is not a JSON object (at byte \(offset))"
        case .depth: "is JSON nested deeper than \(StrictJSON.maximumDepth) levels"
        }
      throw VerificationFailure(.malformed, "the token's \(name) \(problem)")
    }
  }

  /// Refuses duplicate members.
  func checkUnique() throws(VerificationFailure) {
    guard let duplicate = json.duplicate else { return }
    throw VerificationFailure(
      .duplicateMember(duplicate.escapedForMessage),
      "the token's \(name) holds \(duplicate.quotedForMessage) twice in one object")
  }

  /// A text; nil if the member is absent or `null`.
  func text(_ member: String) throws(VerificationFailure) -> String? { try read(member, \.text) }

  /// One text or an array of texts, as `aud` and `scope` can be.
  func texts(_ member: String) throws(VerificationFailure) -> [String]? { try read(member, \.texts) }

  /// A text, or a number as it is written; nil for any other value. It is for members that no decision depends on.
  func label(_ member: String) -> String? { json[member]?.text ?? number(member) }

  /// A text, or a whole number as it is written: some servers have numbers as identifiers.
  func identifier(_ member: String) throws(VerificationFailure) -> String? {
    if let number = number(member), number.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { return number }
    return try text(member)
  }

  private func number(_ member: String) -> String? {
    guard json[member]?.number != nil, let member = json.members.first(where: { $0.name.isExactly(member) }) else {
      return nil
    }
    return String(decoding: member.source, as: UTF8.self)
  }

  /// Seconds since 1970 (RFC 7519 section 2), between 1970 and the end of the year 9999, fractions cut off.
  func time(_ member: String) throws(VerificationFailure) -> Int64? {
    try read(member) { value in
      value.number.flatMap { $0 >= 0 && $0 < 253_402_300_800 ? Int64($0) : nil }
    }
  }

  private func read<T>(_ member: String, _ convert: (StrictJSON.Value) -> T?) throws(VerificationFailure) -> T? {
    guard let value = json[member] else { return nil }
    guard let converted = convert(value) else {
      throw VerificationFailure(
        .malformed, "in the token's \(name) \(member.quotedForMessage) is of the wrong type or out of range")
    }
    return converted
  }
}

/// The header of a signed JWT (RFC 7515 section 4), as far as it is needed.
///
/// `jku`, `jwk`, `x5u` and `x5c` are not read: a token must not choose the key that verifies it.
struct TokenHeader {
  let algorithm: SignatureAlgorithm
  let keyID: String?
  let type: String?

  /// Reads the header from its JSON. Before any key is used, it makes the checks of RFC 7515 and RFC 8725.
  init(json: [UInt8]) throws(VerificationFailure) {
    let header = try TokenPart("header", json)
    try header.checkUnique()
    guard let name = try header.text("alg") else {
      throw VerificationFailure(.malformed, "the token's header has no \"alg\"")
    }
    guard let algorithm = SignatureAlgorithm(name: name) else {
      throw VerificationFailure(
        .algorithmNotAllowed(name.escapedForMessage),
        "the token is signed with alg \(name.quotedForMessage); accepted are "
          + SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))
    }
    keyID = try header.text("kid")
    type = try header.text("typ")
    guard !header.json.members.contains(where: { $0.name == "crit" }) else {
      throw VerificationFailure(
        .criticalHeader, "the token's header demands extensions by \"crit\"; none is supported (RFC 7515, 4.1.11)")
    }
    guard !header.json.members.contains(where: { $0.name == "b64" && $0.value.bool != true }) else {
      throw VerificationFailure(.malformed, "the token's claims are not encoded (\"b64\", RFC 7797): not supported")
    }
    self.algorithm = algorithm
  }

  /// Refuses a `typ` other than `at+jwt` (RFC 9068 section 4). Unless `demandingAccessToken`, it accepts `JWT` and
  /// none.
  func checkType(demandingAccessToken: Bool) throws(VerificationFailure) {
    let expected = demandingAccessToken ? "\"at+jwt\"" : "\"at+jwt\" or \"JWT\""
    guard let type else {
      guard demandingAccessToken else { return }
      throw VerificationFailure(.typeMismatch, "the token's header has no \"typ\"; expected \(expected)")
    }
    // RFC 7515 section 4.1.9: a media type, compared without case, with an optional "application/".
    var name = type.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }[...]
    let prefix = "application/".utf8
    if name.starts(with: prefix) { name = name.dropFirst(prefix.count) }
    if name.elementsEqual("at+jwt".utf8) { return }
    if name.elementsEqual("jwt".utf8), !demandingAccessToken { return }
    throw VerificationFailure(
      .typeMismatch, "the token's typ is \(type.quotedForMessage); expected \(expected): it is not an access token")
  }
}

/// The content of a JWT that was not verified, for display.
///
/// It has no signature, so that the display cannot be used as a token.
public struct TokenInspection: Hashable, Sendable {
  /// A member of the header or of the claims.
  public struct Member: Hashable, Sendable {
    /// Its name. Characters that can confuse a terminal are escaped.
    public let name: String
    /// The JSON text of its value. Characters that can confuse a terminal are escaped as in JSON.
    public let json: String
  }

  /// The header's members in their order.
  public let header: [Member]
  /// The claims in their order.
  public let claims: [Member]
  /// The signature's length in bytes.
  public let signatureByteCount: Int
  /// Names that occur twice in one object. A verifier refuses such a token.
  public let duplicates: [String]

  /// Splits a signed JWT in compact form.
  ///
  /// - Throws: `.oversized` or `.malformed` if it is none. The message distinguishes an opaque or encrypted token from
  ///   a damaged one.
  public init(of token: [UInt8]) throws(VerificationFailure) {
    let token = try CompactToken(token)
    let header = try TokenPart("header", token.header).json
    let claims = try TokenPart("claims set", token.claims).json
    self.header = Self.members(of: header)
    self.claims = Self.members(of: claims)
    signatureByteCount = token.signature.count
    duplicates = [header.duplicate, claims.duplicate].compactMap { $0.map { Printable.escapedJSON($0) } }
  }

  private static func members(of json: StrictJSON) -> [Member] {
    json.members.map { member in
      // JSON strings contain no raw line breaks or tabs. Elsewhere in JSON, a space is equivalent to them.
      let flat = String(decoding: member.source, as: UTF8.self).unicodeScalars.map {
        "\t\n\r".unicodeScalars.contains($0) ? " " : $0
      }
      return Member(
        name: Printable.escapedJSON(member.name), json: Printable.escapedJSON(String(String.UnicodeScalarView(flat))))
    }
  }
}
