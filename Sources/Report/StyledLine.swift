import Base

/// One line for a person, parts of it in colours.
///
/// The parts hold texts of servers and status files as they came. `rendered` alone escapes them: control characters,
/// line breaks and hidden characters. So no text can act on a terminal or begin a line of its own.
public struct StyledLine: Hashable, Sendable, ExpressibleByStringInterpolation {
  private struct Part: Hashable {
    var text: String
    var tone: TextStyle.Tone?
  }

  private var parts: [Part]

  /// A line that is all of one colour, or of none.
  public init(_ text: String, _ tone: TextStyle.Tone? = nil) {
    parts = [Part(text: text, tone: tone)]
  }

  /// A line without colours.
  public init(stringLiteral text: String) { self.init(text) }

  /// Both, one after the other.
  public static func + (left: StyledLine, right: StyledLine) -> StyledLine {
    var sum = left
    sum.parts += right.parts
    return sum
  }

  /// Adds to the end.
  public static func += (left: inout StyledLine, right: StyledLine) { left.parts += right.parts }

  /// The text for a terminal or a file, without a line break at its end.
  public func rendered(_ style: TextStyle) -> String {
    parts.map { part in
      let text = Printable.escaped(part.text)
      guard style.isColoured, let tone = part.tone else { return text }
      return "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m"
    }.joined()
  }
}

extension [StyledLine] {
  /// The lines, each with a line break at its end.
  public func rendered(_ style: TextStyle) -> String {
    map { $0.rendered(style) + "\n" }.joined()
  }

  /// The lines, with a text before the first one.
  public func preceded(by text: String) -> [StyledLine] {
    first.map { [StyledLine(text) + $0] + dropFirst() } ?? [StyledLine(text)]
  }
}

/// How text for people may look: with colours and fitted to a width on a terminal, plain elsewhere.
public struct TextStyle: Hashable, Sendable {
  /// Whether colours may be used.
  public var isColoured: Bool
  /// The terminal's width; `nil` where there is no terminal.
  public var columns: Int?

  /// A style.
  public init(isColoured: Bool, columns: Int?) {
    self.isColoured = isColoured
    self.columns = columns
  }

  /// For pipes and files.
  public static let plain = TextStyle(isColoured: false, columns: nil)

  /// What a colour stands for.
  public enum Tone: String, Sendable {
    case good = "32"
    case doubtful = "33"
    case bad = "31"
    case strong = "1"
    case faint = "2"
  }
}
