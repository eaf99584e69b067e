package import Base
import FoundationEssentials
package import OAuth
package import Settings

/// A token in the format of an output.
package enum RenderedToken {
  /// The content of the file.
  package static func content(of verifiedToken: VerifiedToken, as output: TokenOutput) -> Secret {
    let token = verifiedToken.accessToken
    switch output.format {
    case .raw: return token
    case .header: return Secret("Authorization: Bearer \(token.exposed)\n")
    case .env: return Secret("\(output.variable ?? "")=\(assigned(token.exposed))\n")
    case .json: return Secret(json(verifiedToken))
    case .template: return filled(output.template?.parts ?? [], with: verifiedToken)
    }
  }

  /// Why a file of this format cannot hold the token, as a sentence; `nil` if it can.
  ///
  /// Only the program that reads a template knows which characters end a value. The characters of a `b64token` (RFC
  /// 6750, section 2.1) end a value in no common format. With other characters, a server could write settings of that
  /// program.
  package static func fault(of token: Secret, as output: TokenOutput) -> String? {
    guard output.format == .template, !token.withBytes({ $0.allSatisfy(BearerToken.isPlain) }) else { return nil }
    return "the token has characters that RFC 6750 does not allow, and a template cannot hold them; use another format"
  }

  /// A template with values in place of its placeholders. Only the result is a copy of the token.
  private static func filled(_ parts: [OutputTemplate.Part], with verifiedToken: VerifiedToken) -> Secret {
    let expiry = verifiedToken.claims.expiry
    let values = parts.map { part in
      switch part {
      case .literal(let text): Secret(text)
      case .placeholder(.token): verifiedToken.accessToken
      case .placeholder(.expiresAt): Secret(Timestamp.rfc3339(Double(expiry)))
      case .placeholder(.expiresAtUnix): Secret("\(expiry)")
      }
    }
    return Secret(capacity: values.reduce(0) { $0 + $1.count }) { memory, _ in
      var offset = 0
      for value in values {
        value.withBytes { UnsafeMutableRawBufferPointer(rebasing: memory[offset...]).copyMemory(from: $0) }
        offset += value.count
      }
    }
  }

  /// The token as the value of a variable. Characters outside of a `b64token` are special to shells or to systemd. Both
  /// read a value in double quotes with these escapes in the same way.
  private static func assigned(_ token: String) -> String {
    guard !token.utf8.allSatisfy(BearerToken.isPlain) else { return token }
    return "\"" + token.map { escaped.contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\""
  }

  private static let escaped: Set<Character> = ["\"", "\\", "$", "`"]

  private struct Document: Encodable {
    var accessToken: String
    var tokenType: String
    var scope: String
    var issuedAt: String
    var issuedAtEpoch: Int64
    var expiresAt: String
    var expiresAtEpoch: Int64

    enum CodingKeys: String, CodingKey {
      case accessToken = "access_token"
      case tokenType = "token_type"
      case scope
      case issuedAt = "issued_at"
      case issuedAtEpoch = "issued_at_epoch"
      case expiresAt = "expires_at"
      case expiresAtEpoch = "expires_at_epoch"
    }
  }

  private static func json(_ verifiedToken: VerifiedToken) -> String {
    let issued = verifiedToken.claims.issuedAt ?? Int64(verifiedToken.requestedAt.unix)
    let document = Document(
      accessToken: verifiedToken.accessToken.exposed, tokenType: "Bearer",
      scope: verifiedToken.scope.joined(separator: " "),
      issuedAt: Timestamp.rfc3339(Double(issued)), issuedAtEpoch: issued,
      expiresAt: Timestamp.rfc3339(Double(verifiedToken.claims.expiry)), expiresAtEpoch: verifiedToken.claims.expiry)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let data = (try? encoder.encode(document)) ?? Data()
    return String(decoding: data, as: UTF8.self) + "\n"
  }
}
