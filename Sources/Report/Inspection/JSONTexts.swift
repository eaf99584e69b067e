import FoundationEssentials

/// A JSON string, or an array of them, as RFC 7519 has `aud`.
enum JSONTexts {
  /// The strings; empty if it is neither.
  static func parse(_ json: String) -> [String] {
    let data = Data("[\(json)]".utf8)
    if let one = try? JSONDecoder().decode([String].self, from: data) { return one }
    return (try? JSONDecoder().decode([[String]].self, from: data))?.first ?? []
  }
}
