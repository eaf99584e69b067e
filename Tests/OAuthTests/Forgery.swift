import Testing
@testable import Base
@testable import OAuth

/// A token that must be refused, and why.
struct Forgery: Sendable, CustomTestStringConvertible {
  let name: String
  let reason: VerificationFailure.Reason
  let make: @Sendable () throws -> [UInt8]

  init(_ name: String, _ reason: VerificationFailure.Reason, make: @escaping @Sendable () throws -> [UInt8]) {
    self.name = name
    self.reason = reason
    self.make = make
  }

  var testDescription: String { name }

  /// Expects that the sample's keys and policy refuse it for its reason, with a message that gives nothing away.
  func expectRefusal() throws {
    let token = try make()
    let failure = try #require(Sample.refusal(token))
    #expect(failure.reason == reason)
    #expect(failure.message.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "one line of printable ASCII")
    #expect(failure.message.utf8.count < 500)
    let signature = String(decoding: token.suffix(24), as: UTF8.self)
    #expect(signature.utf8.count < 24 || !failure.message.contains(signature))
  }

  /// `token` with other bytes in one of its parts (0 to 2).
  static func replacing(part: Int, of token: [UInt8], with bytes: [UInt8]) -> [UInt8] {
    var parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map(Array.init)
    parts[part] = Array(Base64URL.encode(bytes).utf8)
    return Array(parts.joined(separator: [UInt8(ascii: ".")]))
  }

  /// A sample token whose right signature was changed.
  static func changingSignature(of key: SigningKey, _ change: ([UInt8]) throws -> [UInt8]) throws -> [UInt8] {
    let token = try CompactToken(key.token())
    return token.signedBytes + Array(".\(Base64URL.encode(try change(token.signature)))".utf8)
  }
}
