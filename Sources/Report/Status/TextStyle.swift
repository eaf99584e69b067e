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
