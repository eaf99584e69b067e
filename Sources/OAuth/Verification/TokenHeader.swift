import Base
import FoundationEssentials

/// The header of a signed JWT (RFC 7515 section 4), as far as it counts here.
///
/// `jku`, `jwk`, `x5u` and `x5c` are not read at all: a token does not get to say which key it is to be trusted by.
struct TokenHeader {
  let algorithm: SignatureAlgorithm
  let keyID: String?
  let type: String?

  private struct Members: Decodable {
    let alg: String?
    let kid: String?
    let typ: String?
  }

  /// Reads the header from its JSON and refuses what RFC 7515 and RFC 8725 tell to refuse before any key is touched.
  init(json: [UInt8]) throws(VerificationFailure) {
    let scan = try JSONObjectScan(ofToken: "header", json)
    try scan.checkUnique(part: "header")
    let members = try Members.decoded(from: json, part: "header")
    guard let name = members.alg else {
      throw VerificationFailure(.malformed, "the token's header has no \"alg\"")
    }
    guard let algorithm = SignatureAlgorithm(name: name) else {
      throw VerificationFailure(
        .algorithmNotAllowed(name.escapedForMessage),
        "the token is signed with alg \(name.quotedForMessage); accepted are "
          + SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))
    }
    guard !scan.members.contains(where: { $0.name == "crit" }) else {
      throw VerificationFailure(
        .criticalHeader, "the token's header demands extensions by \"crit\"; none is supported (RFC 7515, 4.1.11)")
    }
    if let b64 = scan.members.first(where: { $0.name == "b64" }), scan.text(of: b64) != "true" {
      throw VerificationFailure(.malformed, "the token's claims are not encoded (\"b64\", RFC 7797): not supported")
    }
    self.algorithm = algorithm
    keyID = members.kid
    type = members.typ
  }

  /// Refuses a `typ` other than `at+jwt` (RFC 9068 section 4) or, unless that is demanded, `JWT` or none.
  func checkType(demandingAccessToken: Bool) throws(VerificationFailure) {
    let expected = demandingAccessToken ? "\"at+jwt\"" : "\"at+jwt\" or \"JWT\""
    guard let type else {
      guard demandingAccessToken else { return }
      throw VerificationFailure(.typeMismatch, "the token's header has no \"typ\"; expected \(expected)")
    }
    // RFC 7515 section 4.1.9: a media type, compared without case, whose "application/" may be left out.
    var name = type.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }[...]
    let prefix = "application/".utf8
    if name.starts(with: prefix) { name = name.dropFirst(prefix.count) }
    if name.elementsEqual("at+jwt".utf8) { return }
    if name.elementsEqual("jwt".utf8), !demandingAccessToken { return }
    throw VerificationFailure(
      .typeMismatch, "the token's typ is \(type.quotedForMessage); expected \(expected): it is not an access token")
  }
}
