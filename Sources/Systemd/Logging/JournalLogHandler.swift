import Base
public import Logging

/// Writes log events to the systemd journal as structured entries, by its native protocol.
///
/// Each entry has `MESSAGE`, `PRIORITY` (by syslog(3), see ``priority(of:)``), `SYSLOG_IDENTIFIER`, `CODE_FILE`, `CODE_LINE`, `CODE_FUNC` and a
/// field for each item of metadata: `next_refresh` is found as `NEXT_REFRESH`. The item `message_id` (128 bits in 32 hex digits, see
/// journalctl(1), `--new-id128`) becomes `MESSAGE_ID`. An entry that cannot be written is lost: there is nowhere else to tell.
public struct JournalLogHandler: LogHandler {
  /// The least level that is written.
  public var logLevel: Logger.Level = .info
  /// What is added to each event.
  public var metadata: Logger.Metadata = [:]
  /// Supplies metadata at the time of each event.
  public var metadataProvider: Logger.MetadataProvider?
  private let identifier: String
  private static let socket = JournalSocket()

  /// A handler whose entries bear `identifier`, which journalctl(1) shows before each line and finds with `-t`.
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
      // journald keeps an entry with a malformed MESSAGE_ID, but nothing finds it.
      if name == "MESSAGE_ID", !Self.isMessageID(text) { continue }
      entry.append((name, Printable.escaped(text, keeping: "\n\t")))
    }
    return entry
  }

  /// The syslog(3) priority of a level: 7 (debug) for trace and debug, 6 info, 5 notice, 4 warning, 3 error, 2 critical.
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

  /// The journal field in which the metadata `key` is found: upper case, every character outside A-Z, 0-9 and `_` as `_`, no `_` or digit
  /// in front (journald keeps these for itself), at most 64 characters; `FIELD_` goes before a name that the entry already
  /// uses. `nil` if nothing is left.
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
