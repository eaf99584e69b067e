import Base
public import OAuth

/// The content of a token for a reader: its header and claims, with times as dates.
public enum InspectionText {
  private static let times: Set<String> = ["exp", "nbf", "iat", "auth_time", "updated_at"]

  /// All lines.
  public static func text(_ token: TokenInspection, now: Double, _ style: TextStyle) -> [StyledLine] {
    var lines = [StyledLine("header", .strong)]
    lines += members(token.header, now: now, style)
    lines.append(StyledLine("claims", .strong))
    lines += members(token.claims, now: now, style)
    lines.append(StyledLine("signature", .strong))
    lines.append("  \(token.signatureByteCount) bytes, not shown")
    for name in token.duplicates { lines.append(StyledLine("\(name) comes twice", .bad)) }
    return lines
  }

  private static func members(
    _ members: [TokenInspection.Member], now: Double, _ style: TextStyle
  ) -> [StyledLine] {
    let width = style.columns == nil ? 0 : members.map(\.name.count).max() ?? 0
    return members.map { member in
      let gap = String(repeating: " ", count: max(0, width - member.name.count))
      var line: StyledLine = "  \(member.name): \(gap)\(member.json)"
      if times.contains(member.name), let seconds = Double(member.json) {
        line += StyledLine("  \(Timestamp.full(seconds, now: now))", .faint)
      }
      return line
    }
  }
}
