import Base
internal import Glibc
public import Logging

/// Writes log events as lines for people to standard error: `2026-11-24T03:20:00Z info message key=value`.
///
/// One event is one line, whatever is in it: control characters are escaped, and a value that is not a plain word is quoted. The time is in UTC.
/// The metadata item `message_id`, which is for the journal, is left out. A line that nobody takes in time is lost, see `LineOutput`.
public struct StderrLogHandler: LogHandler {
  /// The least level that is written.
  public var logLevel: Logger.Level = .info
  /// What is added to each event.
  public var metadata: Logger.Metadata = [:]
  /// Supplies metadata at the time of each event.
  public var metadataProvider: Logger.MetadataProvider?
  private let output: LineOutput

  /// A handler that writes to standard error.
  public init(metadataProvider: Logger.MetadataProvider? = nil) {
    self.init(descriptor: STDERR_FILENO, metadataProvider: metadataProvider)
  }

  init(descriptor: Int32, metadataProvider: Logger.MetadataProvider? = nil) {
    output = LineOutput(descriptor: descriptor)
    self.metadataProvider = metadataProvider
  }

  /// One item of ``metadata``.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes `event`; called by `Logger`.
  public func log(event: LogEvent) {
    output.write(line(for: event, time: Self.time)) { line(for: .loss(of: $0), time: Self.time) }
  }

  func line(for event: LogEvent, time: String) -> String {
    var line = "\(time) \(event.level) \(Printable.escaped("\(event.message)"))"
    for (key, value) in allMetadata(of: event) where key != "message_id" {
      line += " \(Printable.escaped(key))=\(Self.quoted("\(value)"))"
    }
    return line
  }

  private static var time: String { Timestamp.rfc3339(Moment.now().unix) }

  private static func quoted(_ text: String) -> String {
    let isPlain = !text.isEmpty && text.unicodeScalars.allSatisfy { !" \"=\\".unicodeScalars.contains($0) }
    let escaped = Printable.escaped(text)
    guard !isPlain || escaped != text else { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { quoted.append("\\") }
      quoted += Printable.escaped(String(scalar))
    }
    return quoted + "\""
  }
}
