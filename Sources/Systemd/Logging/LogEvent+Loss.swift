internal import Logging

extension LogEvent {
  /// That `count` events before this one were not written, for whoever reads the log did not take them.
  static func loss(of count: Int) -> LogEvent {
    LogEvent(
      level: .warning,
      message: "\(count) log \(count == 1 ? "entry was" : "entries were") lost here: nobody took them in time",
      metadata: nil, source: nil, file: #fileID, function: #function, line: #line)
  }
}
