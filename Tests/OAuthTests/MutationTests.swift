import Testing
@testable import Base
@testable import OAuth

/// A token changed in any way is no longer accepted, and no change makes the verifier crash.
@Suite struct MutationTests {
  /// One token each for the way that signatures are checked: RSA, ECDSA, EdDSA.
  static let keys: [SigningKey] = [.rsa, .p256, .ed25519]

  @Test(arguments: keys) func truncatedAtEveryByte(_ key: SigningKey) throws {
    let token = try key.token()
    for length in 0..<token.count {
      #expect(Sample.refusal(Array(token.prefix(length))) != nil, "the first \(length) bytes were accepted")
      #expect(Sample.refusal(Array(token.suffix(length))) != nil, "the last \(length) bytes were accepted")
    }
  }

  @Test(arguments: keys) func oneBitFlippedInEveryByte(_ key: SigningKey) throws {
    let token = try key.token()
    for index in token.indices {
      for bit in 0..<8 {
        var changed = token
        changed[index] ^= 1 << bit
        #expect(Sample.refusal(changed) != nil, "accepted with bit \(bit) of byte \(index) flipped")
      }
    }
  }

  /// The bytes that base64url stands for, rather than its letters.
  @Test(arguments: keys) func oneBitFlippedInEveryDecodedByte(_ key: SigningKey) throws {
    let token = try CompactToken(key.token())
    let parts = [token.header, token.claims, token.signature]
    for part in parts.indices {
      for index in parts[part].indices {
        var changed = parts
        changed[part][index] ^= 1 << UInt8(index % 8)
        #expect(Sample.refusal(joined(changed)) != nil, "accepted with byte \(index) of part \(part) changed")
      }
    }
  }

  /// 10,000 changes of all kinds. A failure prints the seed; put it here to see it again.
  @Test(arguments: [UInt64.random(in: .min ... .max)]) func randomMutations(_ seed: UInt64) throws {
    var generator = SplitMix64(seed: seed)
    let valid = try Self.keys.flatMap { key in
      try [key.token(), key.token(claims: ["jti": #""second""#]), key.token(header: ["kid": nil])]
    }
    for round in 0..<10_000 {
      let token = mutated(valid, using: &generator)
      if valid.contains(token) { continue }
      let failure = Sample.refusal(token)
      #expect(failure != nil, "seed \(seed), round \(round): accepted \(String(decoding: token, as: UTF8.self))")
      if let failure {
        #expect(failure.message.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "seed \(seed), round \(round)")
        #expect(failure.message.utf8.count < 1000, "seed \(seed), round \(round)")
      }
      // Nor does anything else that reads such bytes crash.
      _ = try? TokenInspection(of: token)
    }
  }

  private func mutated(_ valid: [[UInt8]], using generator: inout SplitMix64) -> [UInt8] {
    var token = valid.randomElement(using: &generator) ?? []
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      guard !token.isEmpty else { break }
      let index = Int.random(in: token.indices, using: &generator)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0: token[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: token[index] = .random(in: .min ... .max, using: &generator)
      case 2: token.remove(at: index)
      case 3: token.insert(.random(in: .min ... .max, using: &generator), at: index)
      case 4: token.removeSubrange(index..<min(token.count, index + Int.random(in: 1...40, using: &generator)))
      case 5:
        let other = valid.randomElement(using: &generator) ?? []
        token = Array(token.prefix(index)) + Array(other.dropFirst(index))
      case 6:
        // Parts exchanged among tokens, doubled, left out or in another order.
        let parts = (valid + [token]).flatMap {
          $0.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        }
        let count = Int.random(in: 2...4, using: &generator)
        token = Array(
          (0..<count).compactMap { _ in parts.randomElement(using: &generator) }.joined(separator: [UInt8(ascii: ".")]))
      default: token = changedJSON(of: token, using: &generator)
      }
    }
    return token
  }

  /// The header or the claims with one piece of JSON replaced, under the old signature.
  private func changedJSON(of token: [UInt8], using generator: inout SplitMix64) -> [UInt8] {
    guard let parsed = try? CompactToken(token) else { return token }
    var parts = [parsed.header, parsed.claims, parsed.signature]
    let part = Int.random(in: 0...1, using: &generator)
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\uD83D\\uDE00", "\\uDC00", "null", "true", "-1", "1e400",
      "0",
      #""alg":"none","#, #""exp":9e9,"#, #""kid":null,"#, #""aud":["tamarack"],"#, "\u{0}", "\u{FEFF}", "é", "\n",
    ]
    let piece = Array((pieces.randomElement(using: &generator) ?? "").utf8)
    let start = Int.random(in: 0...parts[part].count, using: &generator)
    let end = Int.random(in: start...min(parts[part].count, start + 12), using: &generator)
    parts[part].replaceSubrange(start..<end, with: piece)
    return joined(parts)
  }

  private func joined(_ parts: [[UInt8]]) -> [UInt8] {
    Array(parts.map { Base64URL.encode($0) }.joined(separator: ".").utf8)
  }
}
