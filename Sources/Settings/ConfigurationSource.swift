import TOML

/// The text of a configuration file, with line numbers and excerpts for messages.
///
/// An excerpt contains only keys, headers and values of settings that are not secret. It never shows a line as it is in
/// the file.
package struct ConfigurationSource {
  let path: String
  let bytes: UnsafeRawBufferPointer
  private let lineStarts: [Int]

  /// The maximum length of a value in an excerpt.
  private static let longestValue = 80

  /// Splits the text into lines. `bytes` must outlive this value.
  init(path: String, bytes: UnsafeRawBufferPointer) {
    self.path = path
    self.bytes = bytes
    lineStarts = [0] + bytes.indices.filter { bytes[$0] == .lineFeed }.map { $0 + 1 }
  }

  func position(of offset: Int) -> Diagnostic.Position {
    let offset = min(max(offset, 0), bytes.count)
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    var column = text(lineStarts[low]..<offset).unicodeScalars.count + 1
    // A byte order mark has no column.
    if low == 0, TOMLCursor(bytes).isAt("\u{FEFF}"), offset >= 3 { column -= 1 }
    return Diagnostic.Position(line: low + 1, column: column)
  }

  func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range.clamped(to: 0..<bytes.count)], as: UTF8.self)
  }

  /// The place that a caret marks.
  enum Pointer {
    /// The name of an entry, or its header.
    case name
    /// The value of an entry, or a part of it.
    case value(Range<Int>)

    func range(in entry: TOMLEntry) -> Range<Int> {
      switch self {
      case .name: entry.nameRange
      case .value(let range): range
      }
    }
  }

  /// The statement of `entry` with a caret. The value is included only if `showsValue`.
  func excerpt(_ entry: TOMLEntry, at pointer: Pointer, showsValue: Bool) -> [String] {
    switch entry.statement {
    case .header(let range):
      let caret =
        if case .name = pointer, range.contains(entry.nameRange.lowerBound) { entry.nameRange } else {
          pointer.range(in: entry)
        }
      // For a part of a table below its header, the position is enough.
      guard range.contains(caret.lowerBound) else { return [] }
      return lines(text(range).printable, from: range, caret: caret, at: range.lowerBound)
    case .assignment(let range):
      let key = text(range).printable
      if case .value(let part) = pointer {
        let value = entry.value.range
        if showsValue, let shown = shownText(value) {
          let before = text(value.lowerBound..<max(part.lowerBound, value.lowerBound)).printable.unicodeScalars.count
          let width = text(part).printable.unicodeScalars.count
          return lines(
            "\(key) = \(shown)", line: range.lowerBound, caret: key.unicodeScalars.count + 3 + before, width: width)
        }
        if showsValue, part != value, let shown = shownText(part) {
          return lines(shown, line: part.lowerBound, caret: 0, width: shown.unicodeScalars.count)
        }
        return lines("\(key) = …", line: range.lowerBound, caret: key.unicodeScalars.count + 3, width: 1)
      }
      let shown = showsValue ? shownText(entry.value.range) ?? "…" : "…"
      return lines("\(key) = \(shown)", from: range, caret: entry.nameRange, at: range.lowerBound)
    }
  }

  /// The excerpt for a key with an unreadable value: `key = …` with the caret below the dots.
  func excerpt(unreadableValueOf key: Range<Int>) -> [String] {
    let text = text(key).printable
    return lines("\(text) = …", line: key.lowerBound, caret: text.unicodeScalars.count + 3, width: 1)
  }

  /// The text of a value; `nil` if it is long, has several lines, or holds a URL with a password.
  private func shownText(_ range: Range<Int>) -> String? {
    let text = text(range)
    guard !text.utf8.contains(.lineFeed), text.unicodeScalars.count <= Self.longestValue else { return nil }
    if text.utf8.contains(UInt8(ascii: "@")), text.utf8.contains(UInt8(ascii: ":")) { return nil }
    return text.printable
  }

  private func lines(_ text: String, from start: Range<Int>, caret: Range<Int>, at offset: Int) -> [String] {
    lines(
      text, line: offset, caret: self.text(start.lowerBound..<caret.lowerBound).printable.unicodeScalars.count,
      width: self.text(caret).printable.unicodeScalars.count)
  }

  private func lines(_ text: String, line offset: Int, caret: Int, width: Int) -> [String] {
    let number = String(position(of: offset).line)
    let gutter = String(repeating: " ", count: number.count)
    let room = max(text.unicodeScalars.count - caret - 1, 0)
    return [
      "  \(number) | \(text)",
      "  \(gutter) | "
        + "\(String(repeating: " ", count: caret))^\(String(repeating: "~", count: min(max(width - 1, 0), room)))",
    ]
  }
}
