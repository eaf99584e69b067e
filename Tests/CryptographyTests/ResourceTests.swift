import Base
import CCrypto
import Glibc
import Synchronization
import Testing
@testable import Cryptography

/// What is left of a call: no memory and no error.
@Suite struct ResourceTests {
  /// Everything that can be done with keys, rightly and wrongly.
  private static func useEverything() throws {
    let message = SignatureTests.message
    for pair in KeyPair.allCases {
      let key = try #require(try pair.publicKey())
      let own = try PrivateKey(pem: Secret(pair.pem))
      for scheme in pair.schemes {
        let signature = try #require(own.signature(over: message, by: scheme))
        #expect(key.verifies(signature, over: message[...], by: scheme))
        #expect(!key.verifies(signature, over: message.dropLast(), by: scheme))
        #expect(!key.verifies(Array(signature.reversed()), over: message[...], by: scheme))
        #expect(!key.verifies(Array(repeating: 0, count: signature.count), over: message[...], by: scheme))
        #expect(!key.verifies(Array(repeating: 0xFF, count: signature.count), over: message[...], by: scheme))
        #expect(!key.verifies([], over: message[...], by: scheme))
      }
    }
    let odd = Array(repeating: 0xFF as UInt8, count: 256)
    #expect(PublicKey(modulus: odd, exponent: [1]) == nil)
    #expect(PublicKey(modulus: odd.dropLast() + [0xFE], exponent: [3]) == nil)
    #expect(PublicKey(modulus: odd, exponent: odd) == nil)
    for curve in Curve.allCases {
      let coordinate = Array(repeating: 1 as UInt8, count: curve.coordinateByteCount)
      #expect(PublicKey(curve: curve, x: coordinate, y: coordinate) == nil)
    }
    let pem = KeyPair.rsa.pem
    for text in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", pem.replacing("A", with: "B")] {
      #expect(throws: PrivateKey.Failure.self) { try PrivateKey(pem: Secret(text)) }
    }
    _ = Cryptography.SHA256.hex(of: message)
  }

  @Test func noErrorIsLeftBehind() throws {
    // Each thread has its own queue. This test does not wait for anything, so it stays on its thread.
    ERR_clear_error()
    try Self.useEverything()
    #expect(ERR_peek_error() == 0)
  }

  @Test func errorsOfOthersStay() throws {
    ERR_clear_error()
    // BN_bin2bn and the like leave none; an unknown type does.
    #expect(EVP_PKEY_CTX_new_from_name(nil, "no such type", nil) == nil)
    let error = ERR_peek_last_error()
    #expect(error != 0)
    try Self.useEverything()
    #expect(ERR_peek_last_error() == error)
    ERR_clear_error()
  }

  /// libcrypto's own count of what it holds, in a process of its own.
  @Test func nothingIsLeaked() async {
    await #expect(processExitsWith: .success) {
      guard
        CRYPTO_set_mem_functions(
          { count, _, _ in
            LiveBlocks.count.add(1, ordering: .relaxed)
            return malloc(count)
          },
          { block, count, _, _ in
            if block == nil { LiveBlocks.count.add(1, ordering: .relaxed) }
            return realloc(block, count)
          },
          { block, _, _ in
            if block != nil { LiveBlocks.count.subtract(1, ordering: .relaxed) }
            free(block)
          }) == 1
      else { fatalError("libcrypto has allocated already") }
      // The first uses fill libcrypto's tables.
      for _ in 0..<3 { try ResourceTests.useEverything() }
      let before = LiveBlocks.count.load(ordering: .relaxed)
      for _ in 0..<20 { try ResourceTests.useEverything() }
      let after = LiveBlocks.count.load(ordering: .relaxed)
      guard before > 0, after == before else { fatalError("\(before) blocks before, \(after) after 20 rounds") }
    }
  }
}

/// How many blocks libcrypto holds.
private enum LiveBlocks {
  static let count = Atomic<Int>(0)
}
