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
    }
  }

  /// The token in the content of a file; `nil` if the content has another format.
  package static func token(in content: Secret, as output: TokenOutput) -> Secret? {
    let text = content.exposed
    switch output.format {
    case .raw: return content
    case .header: return line(text, after: "Authorization: Bearer ")
    case .env: return line(text, after: "\(output.variable ?? "")=").map { Secret(unassigned($0.exposed)) }
    case .json:
      let document = try? JSONDecoder().decode(Document.self, from: Data(text.utf8))
      return document.map { Secret($0.accessToken) }
    }
  }

  private static func line(_ text: String, after prefix: String) -> Secret? {
    guard text.hasPrefix(prefix), text.hasSuffix("\n") else { return nil }
    return Secret(String(text.dropFirst(prefix.count).dropLast()))
  }

  /// The token as the value of a variable. Other characters than those of a `b64token` are special to shells or to
  /// systemd: both read a value in double quotes with these escapes alike.
  private static func assigned(_ token: String) -> String {
    guard !token.utf8.allSatisfy(BearerToken.isPlain) else { return token }
    return "\"" + token.map { escaped.contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\""
  }

  private static func unassigned(_ value: String) -> String {
    guard value.hasPrefix("\""), value.hasSuffix("\""), value.utf8.count > 1 else { return value }
    var token = ""
    var isEscaped = false
    for character in value.dropFirst().dropLast() {
      isEscaped = character == "\\" && !isEscaped
      if !isEscaped { token.append(character) }
    }
    return token
  }

  private static let escaped: Set<Character> = ["\"", "\\", "$", "`"]

  private struct Document: Codable {
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
