import Base
internal import Glibc
public import Logging

/// Writes log events as JSON, one object a line, for log collectors:
/// `{"ts":"2026-11-24T03:20:00.123Z","level":"info","message":"...","fields":{"key":"value"}}`. The time is in UTC.
/// A line that nobody takes in time is lost, see `LineOutput`.
public struct JSONLogHandler: LogHandler {
  /// Where the lines go.
  public enum Stream: Sendable {
    /// Standard output, where containers are expected to log.
    case standardOutput
    /// Standard error.
    case standardError
  }

  /// The least level that is written.
  public var logLevel: Logger.Level = .info
  /// What is added to each event.
  public var metadata: Logger.Metadata = [:]
  /// Supplies metadata at the time of each event.
  public var metadataProvider: Logger.MetadataProvider?
  private let output: LineOutput

  /// A handler that writes to `stream`.
  public init(stream: Stream, metadataProvider: Logger.MetadataProvider? = nil) {
    let descriptor =
      switch stream {
      case .standardOutput: STDOUT_FILENO
      case .standardError: STDERR_FILENO
      }
    self.init(descriptor: descriptor, metadataProvider: metadataProvider)
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
    let fields = allMetadata(of: event).map { Self.member($0.key, Self.json($0.value)) }
    let members = [
      Self.member("ts", Printable.quotedJSON(time)),
      Self.member("level", Printable.quotedJSON("\(event.level)")),
      Self.member("message", Printable.quotedJSON("\(event.message)")),
      Self.member("fields", Self.object(fields)),
    ]
    return Self.object(members)
  }

  private static var time: String { Timestamp.rfc3339(Moment.now().unix, milliseconds: true) }

  private static func json(_ value: Logger.MetadataValue) -> String {
    switch value {
    case .string(let text): Printable.quotedJSON(text)
    case .stringConvertible(let value): Printable.quotedJSON("\(value)")
    case .array(let values): "[\(values.map(json).joined(separator: ","))]"
    case .dictionary(let values):
      object(values.sorted { $0.key < $1.key }.map { member($0.key, json($0.value)) })
    @unknown default: Printable.quotedJSON("\(value)")
    }
  }

  private static func object(_ members: [String]) -> String {
    "{" + members.joined(separator: ",") + "}"
  }

  private static func member(_ name: String, _ value: String) -> String {
    Printable.quotedJSON(name) + ":" + value
  }
}
