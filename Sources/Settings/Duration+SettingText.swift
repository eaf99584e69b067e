extension Duration {
  /// `30s`, `5m`, `1h30m`, or a plain number of seconds, as the config file takes it; `nil` for anything else.
  public init?(settingText text: String) {
    if let seconds = Int(text), (0...1_000_000_000).contains(seconds), text.utf8.allSatisfy(\.isDigit) {
      self = .seconds(seconds)
    } else {
      self.init(units: text)
    }
  }
}
