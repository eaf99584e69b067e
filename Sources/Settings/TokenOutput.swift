/// One file that a token is written to.
public struct TokenOutput: Hashable, Sendable {
  /// What the file holds.
  public enum Format: String, CaseIterable, Hashable, Sendable {
    /// The token, and nothing else: no line break either.
    case raw
    /// One line, `Authorization: Bearer TOKEN`, for `curl -H @FILE`.
    case header
    /// An object with access_token, token_type, scope, issued_at and expires_at.
    case json
    /// One line, `VARIABLE=TOKEN`, for `EnvironmentFile=`.
    case env

    /// How the default file name ends.
    package var fileExtension: String { self == .raw ? "token" : rawValue }
  }

  /// Absolute, without `.`, `..` and doubled slashes.
  public var path: String
  /// The file's permission bits.
  public var mode: UInt32
  /// What the file holds.
  public var format: Format
  /// The variable's name with `.env`; nil with every other format.
  public var variable: String?

  /// An output put together by hand.
  public init(path: String, mode: UInt32 = 0o640, format: Format = .raw, variable: String? = nil) {
    self.path = path
    self.mode = mode
    self.format = format
    self.variable = variable
  }
}
