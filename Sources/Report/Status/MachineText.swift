import Base
import FoundationEssentials

/// The output of commands for programs.
enum MachineText {
  /// One object with sorted members, and a line break at its end. Characters that a terminal could act on are escapes.
  static func json(_ document: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let data = try? encoder.encode(document) else { return "{}\n" }
    return Printable.escapedJSON(String(decoding: data, as: UTF8.self), isDocument: true) + "\n"
  }
}
