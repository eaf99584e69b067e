import Base

/// The values in examples that the administrator must replace: `SECRET`, `...`, `<your client id>`.
enum Placeholder {
  /// The client of config/config.toml and of the sandbox. Konexus' servers do not know it.
  static let sampleClientID = "ext-1741-sample-client"

  /// What to do about one in a file.
  static func remedy(in file: String) -> String {
    "write the one that the server's operator handed out: sudoedit \(file.shellQuoted)"
  }

  /// Words that occur only in placeholders.
  private static let telling = [
    "your", "here", "insert", "enter", "replace", "paste", "fill", "change", "todo", "tbd", "fixme", "placeholder",
    "example", "sample", "redacted",
  ]
  /// Words that placeholders contain together with those.
  private static let others = [
    "client", "secret", "id", "identifier", "key", "password", "passwd", "value", "token", "api", "app", "application",
    "the", "a", "an", "my", "me", "it", "in", "with", "by", "real", "actual", "own", "put", "goes", "please", "set",
    "konexus", "oauth", "auth", "issuer", "server", "tenant", "domain",
    "company", "name", "from", "of", "this",
  ]
  /// Whole values without a word that marks them as placeholders. In lower case, some of them are secrets of test
  /// servers.
  private static let whole = ["SECRET", "CLIENT", "PASSWORD", "TOKEN", "ISSUER"]
  private static let names = ["clientid", "clientsecret"]

  /// The longest placeholder, in bytes.
  private static let longest = 80

  /// Whether the text is a placeholder. It makes no copy of it.
  static func matches(_ text: UnsafeRawBufferPointer) -> Bool {
    guard !text.isEmpty, text.count <= longest else { return false }
    if whole.contains(where: { text.elementsEqual($0.utf8) }) || isVariable(text) { return true }
    // A bracketed text of words and nothing else.
    if text.first == UInt8(ascii: "<"), text.last == UInt8(ascii: ">"),
      text.dropFirst().dropLast().allSatisfy({ $0.isLetter || $0.isSeparator })
    {
      return true
    }
    let letters = text.indices.filter { !text[$0].isSeparator && !isEllipsis(text, at: $0) }
    // Separators alone, such as "...".
    if letters.isEmpty { return true }
    func isWord(_ word: String, at start: Int) -> Bool {
      start + word.utf8.count <= letters.count
        && zip(letters[start...], word.utf8).allSatisfy { text[$0].lowercased == $1 }
    }
    if names.contains(where: { $0.utf8.count == letters.count && isWord($0, at: 0) }) { return true }
    // Whether the first letters are words, without and with a word that marks a placeholder.
    var plain = [Bool](repeating: false, count: letters.count + 1)
    var told = plain
    plain[0] = true
    for start in letters.indices where plain[start] || told[start] {
      for word in others where isWord(word, at: start) {
        let end = start + word.utf8.count
        plain[end] = plain[end] || plain[start]
        told[end] = told[end] || told[start]
      }
      for word in telling where isWord(word, at: start) { told[start + word.utf8.count] = true }
      let crosses = letters[start...].prefix { text[$0].lowercased == UInt8(ascii: "x") }.count
      if crosses >= 3 { told[start + crosses] = true }
    }
    return told[letters.count]
  }

  /// The same for a text that is not secret.
  static func matches(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
  }

  /// Whether the text is a variable that a tool should have replaced: `${SECRET}`, `{{ secret }}`, `%ID%`, `$SECRET`.
  private static func isVariable(_ text: UnsafeRawBufferPointer) -> Bool {
    [("${", "}"), ("{{", "}}"), ("%", "%"), ("@", "@"), ("$", "")].contains { start, end in
      guard text.count > start.utf8.count + end.utf8.count, text.starts(with: start.utf8),
        text.suffix(end.utf8.count).elementsEqual(end.utf8)
      else { return false }
      let name = text.dropFirst(start.utf8.count).dropLast(end.utf8.count)
      // A secret can begin with '$', so a name after it must fulfil more conditions.
      return name.allSatisfy { $0.isLetter || "_. ".utf8.contains($0) }
        && (!end.isEmpty || (name.count >= 4 && name.allSatisfy { $0.lowercased != $0 || $0 == UInt8(ascii: "_") }))
    }
  }

  private static func isEllipsis(_ text: UnsafeRawBufferPointer, at index: Int) -> Bool {
    let ellipsis: [UInt8] = [0xe2, 0x80, 0xa6]
    return ellipsis.indices.contains { offset in
      index >= offset && text.dropFirst(index - offset).starts(with: ellipsis)
    }
  }
}

extension UInt8 {
  fileprivate var isLetter: Bool { (0x61...0x7a).contains(lowercased) }
  /// The characters between the words of a placeholder, and around them.
  fileprivate var isSeparator: Bool { " _-.:/<>[]{}()*?\"'".utf8.contains(self) }
}
