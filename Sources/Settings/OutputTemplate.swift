import Base
import TOML

/// The text of a file with `format = "template"`: literal parts and placeholders.
///
/// `{token}`, `{expires_at}` and `{expires_at_unix}` are replaced. `{{` and `}}` are literal braces. A single brace is
/// an error, as in format strings of Python and Rust. So a typo does not get into a file.
public struct OutputTemplate: Hashable, Sendable {
  /// What a name in braces stands for.
  public enum Placeholder: String, CaseIterable, Hashable, Sendable {
    /// The access token.
    case token
    /// When the token expires, by RFC 3339 in UTC.
    case expiresAt = "expires_at"
    /// When the token expires, in seconds since 1970.
    case expiresAtUnix = "expires_at_unix"
  }

  /// A part of the text.
  public enum Part: Hashable, Sendable {
    /// Text that is written as it is.
    case literal(String)
    /// Text that is replaced for each token.
    case placeholder(Placeholder)
  }

  /// The parts in their order. `{token}` is among them.
  public private(set) var parts: [Part] = []

  /// The longest template, in bytes.
  static let sizeLimit = 64 * 1024

  /// Why a text is no template.
  struct Fault: Error {
    /// The end of a sentence that starts with the key's name.
    var message: String
    /// The bytes that are wrong; `nil` for all.
    var range: Range<Int>?
  }

  /// Reads a template.
  init(_ text: String) throws(Fault) {
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.sizeLimit else {
      throw Fault(message: "is longer than \(Self.sizeLimit / 1024) KiB; give a shorter one")
    }
    if let place = bytes.firstIndex(where: { ($0 < 0x20 && !"\t\n\r".utf8.contains($0)) || $0 == 0x7f }) {
      throw Fault(message: "contains a control character; remove it", range: place..<(place + 1))
    }
    var literal: [UInt8] = []
    func add(_ part: Part? = nil) {
      if !literal.isEmpty { parts.append(.literal(String(decoding: literal, as: UTF8.self))) }
      literal = []
      if let part { parts.append(part) }
    }
    var rest = bytes[...]
    while let brace = rest.firstIndex(where: { $0 == .openingBrace || $0 == .closingBrace }) {
      literal += rest[..<brace]
      rest = rest[brace...]
      if rest.dropFirst().first == rest.first {
        literal.append(bytes[brace])
        rest = rest.dropFirst(2)
        continue
      }
      guard bytes[brace] == .openingBrace else {
        throw Fault(message: "has a '}' without a '{'; write '}}' for a literal brace", range: brace..<(brace + 1))
      }
      let name = rest.dropFirst().prefix { $0 != .openingBrace && $0 != .closingBrace && $0 != .lineFeed }
      guard name.endIndex < bytes.count, bytes[name.endIndex] == .closingBrace else {
        throw Fault(message: "has a '{' without a '}'; write '{{' for a literal brace", range: brace..<(brace + 1))
      }
      guard let placeholder = Placeholder(rawValue: String(decoding: name, as: UTF8.self)) else {
        throw Self.unknown(name, range: brace..<(name.endIndex + 1))
      }
      add(.placeholder(placeholder))
      rest = rest[(name.endIndex + 1)...]
    }
    literal += rest
    add()
    guard parts.contains(.placeholder(.token)) else {
      let reason = text.contains("{{token}}") ? "'{{' is a literal brace: " : ""
      throw Fault(message: "has no {token}; \(reason)write {token} where the token belongs")
    }
  }

  /// The fault of a name that is none of the placeholders. The name is shown only if it looks like one.
  private static func unknown(_ bytes: ArraySlice<UInt8>, range: Range<Int>) -> Fault {
    let known = Placeholder.allCases.map(\.rawValue)
    let isName = bytes.count <= 40 && bytes.allSatisfy { $0.isBareKeyByte || " .:!".utf8.contains($0) }
    let text = isName ? String(decoding: bytes, as: UTF8.self) : ""
    let near = NearestName.to(String(text.filter { $0 != " " }), among: known)
    let name = isName ? "{\(text)}, which is" : "braces, which are"
    let advice =
      near.map { "did you mean {\($0)}?" }
      ?? "known are \(known.map { "{\($0)}" }.joined(separator: ", ")); write '{{' for a literal brace"
    return Fault(message: "contains \(name) no placeholder; \(advice)", range: range)
  }
}

extension SettingType<OutputTemplate> {
  /// A template. Messages do not show it, because it can hold secrets of other programs.
  static let template = SettingType(name: "a string with placeholders") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a string with placeholders", node, context) }
    do throws(OutputTemplate.Fault) { return try OutputTemplate(text) } catch {
      throw SettingFault(message: error.message, part: error.range, hidesValue: true)
    }
  }
}

extension UInt8 {
  fileprivate static let openingBrace = UInt8(ascii: "{")
  fileprivate static let closingBrace = UInt8(ascii: "}")
}
