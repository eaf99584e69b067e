import Base

/// A line of text for a reader, with coloured parts.
///
/// The parts contain texts of servers and status files unchanged. Only `rendered` escapes control characters, line
/// breaks and hidden characters. So no text can control a terminal or start a line.
public struct StyledLine: Hashable, Sendable, ExpressibleByStringInterpolation {
  private struct Part: Hashable {
    var text: String
    var tone: TextStyle.Tone?
  }

  private var parts: [Part]

  /// A line in one tone, or without a tone.
  public init(_ text: String, _ tone: TextStyle.Tone? = nil) {
    parts = [Part(text: text, tone: tone)]
  }

  /// A line without a tone.
  public init(stringLiteral text: String) { self.init(text) }

  /// Appends a line to another one.
  public static func + (left: StyledLine, right: StyledLine) -> StyledLine {
    var sum = left
    sum.parts += right.parts
    return sum
  }

  /// Appends a line.
  public static func += (left: inout StyledLine, right: StyledLine) { left.parts += right.parts }

  /// The text for a terminal or a file, without a line break at the end.
  public func rendered(_ style: TextStyle) -> String {
    parts.map { part in
      let text = Printable.escaped(part.text)
      guard style.isColoured, let tone = part.tone else { return text }
      return "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m"
    }.joined()
  }
}

extension [StyledLine] {
  /// The text of all lines, each with a line break.
  public func rendered(_ style: TextStyle) -> String {
    map { $0.rendered(style) + "\n" }.joined()
  }

  /// The lines with `text` at the start of the first one.
  public func preceded(by text: String) -> [StyledLine] {
    first.map { [StyledLine(text) + $0] + dropFirst() } ?? [StyledLine(text)]
  }
}

/// The style of text for readers: colours and width of a terminal, or neither.
public struct TextStyle: Hashable, Sendable {
  /// Whether colours are used.
  public var isColoured: Bool
  /// The width of the terminal; `nil` if there is none.
  public var columns: Int?

  /// A style of the given values.
  public init(isColoured: Bool, columns: Int?) {
    self.isColoured = isColoured
    self.columns = columns
  }

  /// The style for pipes and files.
  public static let plain = TextStyle(isColoured: false, columns: nil)

  /// The meaning of a colour.
  public enum Tone: String, Sendable {
    case good = "32"
    case doubtful = "33"
    case bad = "31"
    case strong = "1"
    case faint = "2"
  }
}
