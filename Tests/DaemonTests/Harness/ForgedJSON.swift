extension String {
  /// Gives the first member of that name another value, in JSON's notation.
  mutating func setMember(_ name: String, to value: String) throws {
    let pattern = try Regex("\"\(name)\":(\"[^\"]*\"|[-0-9.e+]+|\\[[^\\]]*\\])")
    self = replacing(pattern, with: "\"\(name)\":\(value)", maxReplacements: 1)
  }

  /// Adds a member before the first one of another name.
  mutating func addMember(_ name: String, _ value: String, before other: String) {
    self = replacing("\"\(other)\":", with: "\"\(name)\":\(value),\"\(other)\":", maxReplacements: 1)
  }
}
