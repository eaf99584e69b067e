import Base
import FoundationEssentials

extension JSONObjectScan {
  /// Scans the JSON of a token's header or claims (`part` is its name in messages).
  init(ofToken part: String, _ json: [UInt8]) throws(VerificationFailure) {
    do {
      try self.init(json)
    } catch {
      let problem =
        switch error {
        case .encoding: "is not valid UTF-8"
        case .syntax(let offset): "is not a JSON object (at byte \(offset))"
        case .depth: "is JSON nested deeper than \(JSONObjectScan.maximumDepth) levels"
        }
      throw VerificationFailure(.malformed, "the token's \(part) \(problem)")
    }
  }

  /// Refuses duplicate members.
  func checkUnique(part: String) throws(VerificationFailure) {
    guard let duplicate else { return }
    throw VerificationFailure(
      .duplicateMember(duplicate.escapedForMessage),
      "the token's \(part) holds \(duplicate.quotedForMessage) twice in one object")
  }
}

extension Decodable {
  /// Decodes the JSON of a token's header or claims; a member of the wrong type is named in the message.
  static func decoded(from json: [UInt8], part: String) throws(VerificationFailure) -> Self {
    do {
      return try JSONDecoder().decode(Self.self, from: Data(json))
    } catch {
      let path =
        switch error as? DecodingError {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
          .dataCorrupted(let context):
          context.codingPath
        default: [any CodingKey]()
        }
      guard let name = path.first?.stringValue else {
        throw VerificationFailure(.malformed, "the token's \(part) is not valid JSON")
      }
      throw VerificationFailure(
        .malformed, "in the token's \(part) \(name.quotedForMessage) is of the wrong type or out of range")
    }
  }
}
