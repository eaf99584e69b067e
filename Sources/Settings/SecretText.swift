import Base
import HTTP

/// What is wrong or unusual about the text of a client secret, without showing it.
///
/// A text with a fault can never be right. A text with a doubt can be right, and the server decides. RFC 6749 appendix
/// A.2 allows printable ASCII only, but some servers accept other characters.
enum SecretText {
  /// Why a text is no client secret.
  struct Fault {
    /// The end of a sentence: "contains a NUL byte".
    var problem: String
    /// What to do; `nil` for "write the secret".
    var remedy: String?
    /// Whether it is a secret from an example.
    var isPlaceholder = false
    /// The offsets of the bytes that are wrong; `nil` for all.
    var range: Range<Int>?
  }

  /// The first fault; `nil` if `bytes` can be a client secret.
  static func fault(in bytes: UnsafeRawBufferPointer) -> Fault? {
    if bytes.isEmpty { return Fault(problem: "is empty") }
    if Placeholder.matches(bytes) { return Fault(problem: "is a placeholder", isPlaceholder: true) }
    if startsWithName(bytes) {
      return Fault(
        problem: "begins with the name of a setting", remedy: "remove the name, and the quotes around the secret")
    }
    let text = ScannedText(bytes)
    if let offset = text.invalidOffset {
      return Fault(
        problem: "is not in UTF-8 (byte \(offset + 1))", remedy: "save it in UTF-8", range: offset..<(offset + 1))
    }
    if let found = text.firstFault {
      return Fault(
        problem: "contains \(found.name) at character \(found.position)", remedy: found.remedy, range: found.range)
    }
    for end in [text.first, text.last].compactMap(\.self) {
      guard case .quote(let quote)? = Lookalike(end.scalar) else { continue }
      return Fault(
        problem: "\(end.position == 1 ? "begins" : "ends") with a typographic quote (\(quote.codePoint))",
        remedy: "remove it", range: end.range)
    }
    return nil
  }

  /// What is unusual, as the end of a sentence such as "ends with a space (character 9)"; `nil` if nothing is.
  static func doubt(about bytes: UnsafeRawBufferPointer) -> String? {
    let text = ScannedText(bytes)
    guard let first = text.first, let last = text.last else { return nil }
    var doubts: [String] = []
    if first.scalar == " " { doubts.append("begins with a space") }
    if last.scalar == " " { doubts.append("ends with a space (character \(last.position))") }
    let pairs: [(Unicode.Scalar, Unicode.Scalar, String)] = [
      ("\"", "\"", "quotes"), ("'", "'", "quotes"), ("`", "`", "quotes"), ("<", ">", "angle brackets"),
    ]
    if last.position > 1, let pair = pairs.first(where: { $0.0 == first.scalar && $0.1 == last.scalar }) {
      doubts.append("is in \(pair.2) (characters 1 and \(last.position))")
    }
    if let (scalar, position) = text.firstQuote {
      doubts.append("contains a typographic quote (\(scalar.codePoint)) at character \(position)")
    } else if let position = text.firstBeyondASCII {
      doubts.append("contains a character that is not ASCII at character \(position)")
    }
    return doubts.isEmpty ? nil : doubts.joined(separator: " and ")
  }

  /// Whether the text begins like a line of a configuration file: `client_secret = ...`.
  private static func startsWithName(_ bytes: UnsafeRawBufferPointer) -> Bool {
    ["client_secret", "clientsecret", "client-secret", "\"client_secret\"", "export "].contains { name in
      guard bytes.prefix(name.utf8.count).elementsEqual(name.utf8, by: { $0.lowercased == $1 }) else { return false }
      let rest = bytes.dropFirst(name.utf8.count).drop { $0 == 0x20 }
      return rest.first == UInt8(ascii: "=") || rest.first == UInt8(ascii: ":") || name == "export "
    }
  }
}

/// The notable characters of a text. The text itself is not kept.
private struct ScannedText {
  /// A character and its place.
  struct Character {
    var scalar: Unicode.Scalar
    /// From 1.
    var position: Int
    var range: Range<Int>

    /// Its name in a message about a fault.
    var name: String { SecretCharacter.name(scalar) ?? "" }
    /// What to do about it.
    var remedy: String? { Lookalike(scalar) == nil ? nil : "remove it" }
  }

  private(set) var first: Character?
  private(set) var last: Character?
  /// The first character that no secret can contain.
  private(set) var firstFault: Character?
  private(set) var firstQuote: (Unicode.Scalar, position: Int)?
  private(set) var firstBeyondASCII: Int?
  /// The offset of the first byte that is not UTF-8.
  private(set) var invalidOffset: Int?

  init(_ bytes: UnsafeRawBufferPointer) {
    var iterator = bytes.makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var offset = 0
    var position = 0
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .emptyInput: return
      case .error:
        invalidOffset = offset
        return
      case .valid(let encoded):
        position += 1
        let character = Character(
          scalar: UTF8.decode(encoded), position: position, range: offset..<(offset + encoded.count))
        offset += encoded.count
        note(character)
      }
    }
  }

  private mutating func note(_ character: Character) {
    if first == nil { first = character }
    last = character
    if firstFault == nil, SecretCharacter.name(character.scalar) != nil { firstFault = character }
    if firstQuote == nil, case .quote? = Lookalike(character.scalar) {
      firstQuote = (character.scalar, character.position)
    }
    if firstBeyondASCII == nil, !character.scalar.isASCII { firstBeyondASCII = character.position }
  }
}

/// The characters that no client secret has.
private enum SecretCharacter {
  /// The name for messages; `nil` for a character that a secret can have.
  static func name(_ scalar: Unicode.Scalar) -> String? {
    switch scalar {
    case "\0": return "a NUL byte"
    case "\n", "\r": return "a line break"
    case "\t": return "a tab"
    case _ where scalar.properties.generalCategory == .control: return "a control character (\(scalar.codePoint))"
    default: break
    }
    switch Lookalike(scalar) {
    case .space?, .invisible?: return Lookalike(scalar)?.name
    case .quote?, nil: return nil
    }
  }
}

extension UInt8 {
  /// The byte with a letter of ASCII in lower case.
  var lowercased: UInt8 { (0x41...0x5a).contains(self) ? self | 0x20 : self }
}
