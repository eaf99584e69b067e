import CCrypto
import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
@testable import Cryptography

/// Which numbers make a public key: the same ones for both implementations.
@Suite struct PublicKeyTests {
  @Test func exponentsAndModuli() throws {
    let exponents: [[UInt8]] = [
      [0], [1], [2], [3], [4], [0x11], [1, 0, 0], [1, 0, 1], [1, 0, 2], [0xFF, 0xFF, 0xFF, 0xFF], [1, 0, 0, 0, 1],
      [1, 0xFF, 0xFF, 0xFF, 0xFF], [2, 0, 0, 0, 1], [3, 0xFF, 0xFF, 0xFF, 0xFF], Array(repeating: 0xFF, count: 256),
      [0, 0, 1, 0, 1],
    ]
    let moduli: [[UInt8]] = [512, 1024, 2047, 2048, 2049, 4096, 8191, 8192, 8193, 16_384].flatMap { bits in
      let count = (bits + 7) / 8
      let first = UInt8(1 << ((bits - 1) % 8))
      return [0x01, 0xFE, 0xFF].map { [first] + Array(repeating: 0x5A as UInt8, count: count - 2) + [$0] }
    }
    var accepted = 0
    for modulus in moduli {
      for exponent in exponents {
        let key = PublicKey(modulus: modulus, exponent: exponent)
        let reference = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
        #expect((key == nil) == (reference == nil), "\(modulus.count) bytes, exponent \(exponent)")
        accepted += key == nil ? 0 : 1
      }
    }
    #expect(accepted == 5 * 2 * 7, "five sizes, two odd ends, seven exponents")
    #expect(PublicKey(modulus: [], exponent: [3]) == nil)
    #expect(PublicKey(modulus: [0] + moduli[9], exponent: [3]) != nil, "leading zeros do not count")
  }

  /// The primes of the curves' fields (SP 800-186, 3.2.1).
  static let primes: [Curve: [UInt8]] = [
    .p256: SignatureTests.hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    .p384: SignatureTests.hex(
      "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff"),
    .p521: [1] + Array(repeating: 0xFF, count: 65),
  ]

  private func reference(_ curve: Curve, _ x: [UInt8], _ y: [UInt8]) -> Bool {
    switch curve {
    case .p256: (try? P256.Signing.PublicKey(x963Representation: [4] + x + y)) != nil
    case .p384: (try? P384.Signing.PublicKey(x963Representation: [4] + x + y)) != nil
    case .p521: (try? P521.Signing.PublicKey(x963Representation: [4] + x + y)) != nil
    }
  }

  @Test(arguments: [KeyPair.p256, .p384, .p521]) func pointsOfACurve(_ pair: KeyPair) throws {
    guard case .ellipticCurve(let curve)? = try pair.publicKey()?.type, let prime = Self.primes[curve] else {
      Issue.record("no curve")
      return
    }
    let point: Data =
      switch curve {
      case .p256: KeyPair.p256Key.publicKey.rawRepresentation
      case .p384: KeyPair.p384Key.publicKey.rawRepresentation
      case .p521: KeyPair.p521Key.publicKey.rawRepresentation
      }
    let (x, y) = (Array(point.prefix(prime.count)), Array(point.suffix(prime.count)))
    let zero = Array(repeating: 0 as UInt8, count: prime.count)
    let one = Array(zero.dropLast()) + [1]
    let negative = SignatureTests.sum(prime, y, minus: true)
    let cases: [(String, [UInt8], [UInt8], Bool)] = [
      ("the point", x, y, true), ("its negative", x, negative, true), ("exchanged", y, x, false),
      ("y + 1", x, SignatureTests.sum(y, one), false), ("zeros", zero, zero, false), ("x = 0, y = 1", zero, one, false),
      ("x + p", SignatureTests.sum(x, prime), y, false), ("y + p", x, SignatureTests.sum(y, prime), false),
      ("x = p", prime, y, false), ("y = p", x, prime, false), ("short", Array(x.dropLast()), y, false),
      ("long", [0] + x, y, false), ("empty", [], [], false), ("moved", x + y.prefix(1), Array(y.dropFirst()), false),
    ]
    for (name, x, y, accepted) in cases {
      #expect((PublicKey(curve: curve, x: x, y: y) != nil) == accepted, "\(name)")
      // The reference sees x and y run together.
      if x.count == prime.count { #expect(reference(curve, x, y) == accepted, "reference: \(name)") }
    }
    for other in Curve.allCases where other != curve { #expect(PublicKey(curve: other, x: x, y: y) == nil) }
  }

  @Test func digests() {
    for count in [0, 1, 55, 56, 63, 64, 65, 1000] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      #expect(Cryptography.SHA256.digest(of: bytes) == Array(Crypto.SHA256.hash(data: bytes)))
    }
    #expect(
      Cryptography.SHA256.hex(of: Array("abc".utf8))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
