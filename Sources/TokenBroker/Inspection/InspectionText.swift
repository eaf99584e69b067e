public import OAuthClient

/// What a token says, for people: every member of its header and claims, times in words.
public enum InspectionText {
  private static let times: Set<String> = ["exp", "nbf", "iat", "auth_time", "updated_at"]

  /// The whole text, with a line break at its end.
  public static func text(_ token: TokenInspection, now: Double, _ style: TextStyle) -> String {
    var lines = [style.paint("header", .strong)]
    lines += members(token.header, now: now, style)
    lines.append(style.paint("claims", .strong))
    lines += members(token.claims, now: now, style)
    lines.append(style.paint("signature", .strong))
    lines.append("  \(token.signatureByteCount) bytes, not shown")
    for name in token.duplicates { lines.append(style.paint("\(name) comes twice", .bad)) }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func members(_ members: [TokenInspection.Member], now: Double, _ style: TextStyle) -> [String] {
    let width = style.columns == nil ? 0 : members.map(\.name.count).max() ?? 0
    return members.map { member in
      var line = "  \(member.name): " + String(repeating: " ", count: max(0, width - member.name.count)) + member.json
      if times.contains(member.name), let seconds = Double(member.json) {
        line += style.paint("  \(Timestamp.full(seconds, now: now))", .faint)
      }
      return line
    }
  }
}
