import Base

/// A JWT in JWS compact form (RFC 7515 section 7.1), taken apart strictly and not yet believed.
struct CompactToken {
  /// The longest token that is looked at.
  static let maximumBytes = 64 * 1024

  /// The header's JSON.
  let header: [UInt8]
  /// The claims' JSON.
  let claims: [UInt8]
  /// The raw signature.
  let signature: [UInt8]
  /// What was signed: the received bytes up to the second dot (RFC 7515 section 5.2), not something encoded anew.
  let signedBytes: ArraySlice<UInt8>

  /// Takes `bytes` apart: three parts, none empty, all of them base64url without padding.
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
