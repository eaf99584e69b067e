import Base
import Glibc
public import Logging

/// Writes log events as lines of text to standard error: `2026-11-24T03:20:00Z info message key=value`.
///
/// One event is one line. Control characters are escaped, and values with blanks or quotes are quoted. The time is in
/// UTC. The metadata item `message_id`, which is for the journal, is left out. A line that cannot be written at once is
/// lost (``LineOutput``).
public struct StderrLogHandler: LogHandler {
  /// The lowest level that is written.
  public var logLevel: Logger.Level = .info
  /// The metadata of every event.
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

/// Writes log events as JSON, one object a line, for log collectors.
///
/// `{"ts":"2026-11-24T03:20:00.123Z","level":"info","message":"...","fields":{"key":"value"}}`. The time is in UTC. A
/// line that cannot be written at once is lost (``LineOutput``).
public struct JSONLogHandler: LogHandler {
  /// The stream that the lines are written to.
  public enum Stream: Sendable {
    /// Standard output, as is usual in containers.
    case standardOutput
    /// Standard error.
    case standardError
  }

  /// The lowest level that is written.
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

/// Writes log events to the systemd journal as structured entries, by its native protocol.
///
/// Each entry has `MESSAGE`, `PRIORITY`, `SYSLOG_IDENTIFIER`, `CODE_FILE`, `CODE_LINE` and `CODE_FUNC`. Each item of
/// metadata becomes a field: `next_refresh` becomes `NEXT_REFRESH`. The item `message_id`, 128 bits in 32 hexadecimal
/// digits, becomes `MESSAGE_ID` (journalctl(1), `--new-id128`). An entry that cannot be written at once is lost.
public struct JournalLogHandler: LogHandler {
  /// The lowest level that is written.
  public var logLevel: Logger.Level = .info
  /// What is added to each event.
  public var metadata: Logger.Metadata = [:]
  /// Supplies metadata at the time of each event.
  public var metadataProvider: Logger.MetadataProvider?
  private let identifier: String
  private static let socket = JournalSocket()

  /// A handler whose entries have `identifier`, which journalctl(1) shows before each line and finds with `-t`.
  public init(identifier: String, metadataProvider: Logger.MetadataProvider? = nil) {
    self.identifier = identifier
    self.metadataProvider = metadataProvider
  }

  /// One item of ``metadata``.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes `event`; called by `Logger`.
  public func log(event: LogEvent) {
    Self.socket.send(entry(for: event)) { entry(for: .loss(of: $0)) }
  }

  private func entry(for event: LogEvent) -> [(name: String, value: String)] {
    var entry = [
      ("MESSAGE", Printable.escaped("\(event.message)", keeping: "\n\t")),
      ("PRIORITY", "\(Self.priority(of: event.level))"),
      ("SYSLOG_IDENTIFIER", identifier),
      ("CODE_FILE", event.file),
      ("CODE_LINE", "\(event.line)"),
      ("CODE_FUNC", event.function),
    ]
    for (key, value) in allMetadata(of: event) {
      guard let name = Self.fieldName(for: key) else { continue }
      let text = "\(value)"
      // journald stores an entry with a malformed MESSAGE_ID, but no search finds it.
      if name == "MESSAGE_ID", !Self.isMessageID(text) { continue }
      entry.append((name, Printable.escaped(text, keeping: "\n\t")))
    }
    return entry
  }

  /// The syslog(3) priority of a level, from 7 for trace and debug to 2 for critical.
  public static func priority(of level: Logger.Level) -> Int {
    switch level {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }

  /// The journal field for the metadata `key`; `nil` if no character is left.
  ///
  /// - Upper case; every character outside of A-Z, 0-9 and `_` becomes `_`.
  /// - No `_` or digit in front: journald reserves these names.
  /// - At most 64 characters.
  /// - `FIELD_` comes before a name that the entry already uses.
  public static func fieldName(for key: String) -> String? {
    var name: [UInt8] = []
    for byte in key.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"): name.append(byte - 32)
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): name.append(byte)
      case UInt8(ascii: "0")...UInt8(ascii: "9"): if !name.isEmpty { name.append(byte) }
      default: if !name.isEmpty { name.append(UInt8(ascii: "_")) }
      }
    }
    let text = String(decoding: name.prefix(64), as: UTF8.self)
    switch text {
    case "": return nil
    case "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "CODE_FILE", "CODE_LINE", "CODE_FUNC": return "FIELD_" + text
    default: return text
    }
  }

  private static func isMessageID(_ text: String) -> Bool {
    text.utf8.count == 32 && text.allSatisfy { $0.isASCII && $0.isHexDigit }
  }
}

extension LogHandler {
  /// All metadata of `event`, sorted by key. The event's own items replace those of the provider, which replace those
  /// of the handler.
  ///
  /// An error of the event becomes `error` and `error_type`.
  func allMetadata(of event: LogEvent) -> [(key: String, value: Logger.MetadataValue)] {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let own = event.metadata { all.merge(own) { $1 } }
    if let error = event.error {
      all["error"] = "\(error)"
      all["error_type"] = "\(String(reflecting: type(of: error)))"
    }
    return all.sorted { $0.key < $1.key }
  }
}

extension LogEvent {
  /// The report that `count` events before this one were not written.
  static func loss(of count: Int) -> LogEvent {
    LogEvent(
      level: .warning,
      message: "\(count) log \(count == 1 ? "entry was" : "entries were") lost: the log did not accept them in time",
      metadata: nil, source: nil, file: #fileID, function: #function, line: #line)
  }
}
