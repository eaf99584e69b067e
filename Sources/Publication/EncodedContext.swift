import FoundationEssentials
package import OAuth

/// What vouches for a token, encoded for the state file: once for all tokens of a server and for as long as its documents stay what they
/// are, since a token is not to wait for it on its way to the reader.
package struct EncodedContext {
  package let context: VerificationContext
  /// Its JSON; empty if it cannot be encoded, which no state file is taken over with.
  let json: String

  package init(_ context: VerificationContext) {
    self.context = context
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    json = (try? encoder.encode(context)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// The same the other way round; `nil` if it is none.
  package static func decode(_ json: String) -> VerificationContext? {
    try? JSONDecoder().decode(VerificationContext.self, from: Data(json.utf8))
  }
}
