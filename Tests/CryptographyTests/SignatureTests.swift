import Base
import CCrypto
import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
@testable import Cryptography

/// Two implementations, one verdict: libcrypto here, swift-crypto's BoringSSL as the reference.
@Suite struct SignatureTests {
  static let message = Array("header.claims".utf8)

  /// Expects that both implementations accept `signature`, or that both refuse it.
  private func expect(
    _ accepted: Bool, _ signature: [UInt8], _ pair: KeyPair, _ scheme: SignatureScheme, _ name: Comment,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let key = try #require(try pair.publicKey(), sourceLocation: location)
    #expect(key.verifies(signature, over: Self.message[...], by: scheme) == accepted, name, sourceLocation: location)
    #expect(
      pair.reference.verifies(signature, over: Self.message, by: scheme) == accepted, "reference: \(name)",
      sourceLocation: location)
  }

  @Test(arguments: KeyPair.allCases) func bothSignAndVerify(_ pair: KeyPair) throws {
    let own = try PrivateKey(pem: Secret(pair.pem))
    let key = try #require(try pair.publicKey())
    #expect(own.type == key.type)
    for scheme in pair.schemes {
      try expect(true, try pair.signature(over: Self.message, by: scheme), pair, scheme, "signed by swift-crypto")
      let signature = try #require(own.signature(over: Self.message, by: scheme))
      try expect(true, signature, pair, scheme, "signed by libcrypto")
      #expect(!key.verifies(signature, over: Self.message.dropLast(), by: scheme))
      #expect(!key.verifies(signature, over: [], by: scheme))
    }
  }

  @Test(arguments: KeyPair.allCases) func noOtherSchemeFits(_ pair: KeyPair) throws {
    let own = try PrivateKey(pem: Secret(pair.pem))
    let key = try #require(try pair.publicKey())
    for scheme in pair.schemes {
      let signature = try pair.signature(over: Self.message, by: scheme)
      for other in KeyPair.allCases.flatMap(\.schemes) where other != scheme {
        #expect(!key.verifies(signature, over: Self.message[...], by: other))
        #expect((own.signature(over: Self.message, by: other) != nil) == pair.schemes.contains(other))
      }
    }
  }

  @Test(arguments: KeyPair.allCases) func lengthsAndConstants(_ pair: KeyPair) throws {
    for scheme in pair.schemes {
      let signature = try pair.signature(over: Self.message, by: scheme)
      let count = signature.count
      for wrong in 0...(2 * count) where wrong != count {
        try expect(false, Array((signature + signature).prefix(wrong)), pair, scheme, "\(wrong) bytes")
      }
      try expect(false, [0] + signature, pair, scheme, "a zero in front")
      try expect(false, Array(signature.dropFirst()), pair, scheme, "the first byte removed")
      for byte: UInt8 in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
        try expect(false, Array(repeating: byte, count: count), pair, scheme, "all bytes \(byte)")
      }
      let one = Array(repeating: 0 as UInt8, count: count - 1) + [1]
      try expect(false, one, pair, scheme, "the number 1")
    }
  }

  /// 300 changes for each scheme. A failure prints the seed; put it here to see it again.
  @Test(arguments: [UInt64.random(in: .min ... .max)]) func randomMutations(_ seed: UInt64) throws {
    var generator = SplitMix64(seed: seed)
    for pair in KeyPair.allCases {
      for scheme in pair.schemes {
        let signature = try pair.signature(over: Self.message, by: scheme)
        for _ in 0..<300 {
          var changed = signature
          for _ in 0..<Int.random(in: 1...3, using: &generator) {
            changed[Int.random(in: changed.indices, using: &generator)] ^=
              1 << UInt8.random(in: 0..<8, using: &generator)
          }
          if changed == signature { continue }
          try expect(false, changed, pair, scheme, "seed \(seed)")
        }
      }
    }
  }

  // MARK: ECDSA

  /// The orders of the curves' groups (SP 800-186, 3.2.1).
  static let orders: [KeyPair: [UInt8]] = [
    .p256: hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    .p384: hex("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"),
    .p521: hex(
      "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
        + "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409"),
  ]

  static func hex(_ text: String) -> [UInt8] {
    stride(from: 0, to: text.utf8.count, by: 2).map {
      UInt8(text.dropFirst($0).prefix(2), radix: 16) ?? 0
    }
  }

  /// `a` - `b`, or `a` + `b`; the same length as `a`, without what overflows.
  static func sum(_ a: [UInt8], _ b: [UInt8], minus: Bool = false) -> [UInt8] {
    var carry = 0
    var result = a
    for index in a.indices.reversed() {
      let digit = Int(a[index]) + (minus ? -Int(b[index]) : Int(b[index])) + carry
      result[index] = UInt8(truncatingIfNeeded: digit)
      carry = digit >> 8
    }
    return result
  }

  @Test(arguments: [KeyPair.p256, .p384, .p521]) func rangeOfRAndS(_ pair: KeyPair) throws {
    let scheme = try #require(pair.schemes.first)
    let order = try #require(Self.orders[pair])
    let half = order.count
    let zero = Array(repeating: 0 as UInt8, count: half)
    let one = Array(zero.dropLast()) + [1]
    let signature = try pair.signature(over: Self.message, by: scheme)
    let (r, s) = (Array(signature.prefix(half)), Array(signature.suffix(half)))
    let highest = Array(repeating: 0xFF as UInt8, count: half)
    for odd in [zero, one, order, Self.sum(order, one), Self.sum(order, one, minus: true), highest] {
      try expect(false, odd + s, pair, scheme, "r = \(odd)")
      try expect(false, r + odd, pair, scheme, "s = \(odd)")
      try expect(false, odd + odd, pair, scheme, "r = s = \(odd)")
    }
    try expect(false, s + r, pair, scheme, "r and s exchanged")
    try expect(true, r + Self.sum(order, s, minus: true), pair, scheme, "order - s, which ECDSA allows")
    if pair == .p521 {
      try expect(false, Self.sum(r, order) + s, pair, scheme, "r + order")
      try expect(false, r + Self.sum(s, order), pair, scheme, "s + order")
    }
  }

  @Test(arguments: [KeyPair.p256, .p384, .p521]) func formsOfRAndS(_ pair: KeyPair) throws {
    let scheme = try #require(pair.schemes.first)
    var signature: [UInt8]
    // P-521 has a zero in front anyway. Of the others one in 256 has.
    repeat { signature = try pair.signature(over: Self.message, by: scheme) } while signature[0] != 0
    let half = signature.count / 2
    try expect(true, signature, pair, scheme, "r with a leading zero")
    try expect(false, Array(signature.dropFirst()), pair, scheme, "r without its leading zero")
    try expect(false, [0] + signature[..<half] + [0] + signature[half...], pair, scheme, "a zero before r and s")
    let der = try #require(ECDSASignature.der(ofFixed: signature))
    #expect(der.first == 0x30)
    try expect(false, der, pair, scheme, "DER")
    let padding = Array(repeating: 0 as UInt8, count: max(0, signature.count - der.count))
    try expect(false, Array((der + padding).prefix(signature.count)), pair, scheme, "DER of the right length")
    let curve = try #require(Curve.allCases.first { scheme == .ecdsa($0) })
    #expect(ECDSASignature.fixed(ofDER: der, on: curve) == signature)
  }

  // MARK: Ed25519

  /// The encodings of the points whose order is 8 or less, canonical and not (Chalkias et al., 2020, table 6a).
  static let smallOrder: [[UInt8]] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ].map(hex)

  /// Such a key is useless, because every program can make its signatures. Both implementations agree on each.
  @Test func pointsOfSmallOrder() throws {
    var accepted = 0
    for point in Self.smallOrder {
      let key = try #require(PublicKey(ed25519: point))
      let reference = ReferenceKey.ed25519(try .init(rawRepresentation: point))
      for r in Self.smallOrder {
        for number in 0..<8 as Range<UInt8> {
          let message = Self.message + [number]
          let signature = r + Array(repeating: 0 as UInt8, count: 32)
          let verdict = key.verifies(signature, over: message[...], by: .ed25519)
          #expect(verdict == reference.verifies(signature, over: message, by: .ed25519), "\(point) \(r) \(number)")
          accepted += verdict ? 1 : 0
        }
      }
    }
    #expect(accepted > 0, "the test reaches the verdicts that matter")
    for r in Self.smallOrder {
      try expect(false, r + Array(repeating: 0, count: 32), .ed25519, .ed25519, "an honest key, R of small order")
    }
  }

  @Test func rangeOfS() throws {
    // 2^252 + ..., the most significant byte last.
    let order = Self.hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    let signature = try KeyPair.ed25519.signature(over: Self.message, by: .ed25519)
    let (r, s) = (Array(signature.prefix(32)), Array(signature.suffix(32)))
    var multiple = Array(s.reversed())
    for round in 1...7 {
      multiple = Self.sum(multiple, Array(order.reversed()))
      try expect(false, r + multiple.reversed(), .ed25519, .ed25519, "S + \(round) times the order")
    }
    try expect(false, r + order, .ed25519, .ed25519, "S = the order")
    for bit in 0..<3 {
      var changed = signature
      changed[63] |= 0x20 << UInt8(bit)
      try expect(false, changed, .ed25519, .ed25519, "bit \(253 + bit) of S")
    }
  }

  @Test func keysThatAreNoPoint() throws {
    let signature = try KeyPair.ed25519.signature(over: Self.message, by: .ed25519)
    for first in UInt8.min ... .max {
      let bytes = [first] + Array(repeating: 0x55 as UInt8, count: 31)
      let key = try #require(PublicKey(ed25519: bytes))
      #expect(!key.verifies(signature, over: Self.message[...], by: .ed25519))
    }
    #expect(PublicKey(ed25519: Array(repeating: 1, count: 31)) == nil)
    #expect(PublicKey(ed25519: Array(repeating: 1, count: 33)) == nil)
  }

  // MARK: RSA

  /// The encoded message of RSASSA-PKCS1-v1_5 (RFC 8017 section 9.2) with SHA-256.
  private static func block(
    count: Int = 256, start: [UInt8] = [0, 1], padding: Int? = nil, info: [UInt8]? = nil, end: [UInt8] = []
  ) -> [UInt8] {
    let info = info ?? hex("3031300d060960864801650304020105000420") + Cryptography.SHA256.digest(of: message)
    let padding = padding ?? count - start.count - 1 - info.count - end.count
    return start + Array(repeating: 0xFF, count: padding) + [0] + info + end
  }

  @Test func formsOfPKCS1() throws {
    let key = try LibCryptoKey(pem: KeyPair.rsa.pem)
    let digest = Cryptography.SHA256.digest(of: Self.message)
    try expect(true, key.raw(Self.block()), .rsa, .rsaPKCS1(.sha256), "the right form")
    let forms: [(String, [UInt8])] = [
      ("block type 2", Self.block(start: [0, 2])), ("block type 0", Self.block(start: [0, 0])),
      ("8 bytes of padding, garbage behind", Self.block(padding: 8, end: Array(repeating: 0xAA, count: 194))),
      ("padding that ends early", Self.block(start: [0, 1, 0xFF, 0xFF, 0])),
      ("no NULL", Self.block(info: Self.hex("302f300b0609608648016503040201") + [4, 32] + digest)),
      ("a long length", Self.block(info: Self.hex("308131300d060960864801650304020105000420") + digest)),
      ("SHA-512/256", Self.block(info: Self.hex("3031300d060960864801650304020605000420") + digest)),
      ("the digest alone", Self.block(info: digest)), ("a byte behind", Self.block(end: [0])),
      ("a short digest", Self.block(info: Self.hex("3031300d060960864801650304020105000420") + digest.dropLast())),
      ("NULL with content", Self.block(info: Self.hex("3033300f06096086480165030402010502aaaa0420") + digest)),
    ]
    for (name, form) in forms {
      #expect(form.count == 256, "\(name)")
      try expect(false, key.raw(form), .rsa, .rsaPKCS1(.sha256), "\(name)")
    }
  }

  @Test func sizeOfAnRSASignature() throws {
    let key = try LibCryptoKey(pem: KeyPair.rsa.pem)
    let modulus = try key.number(OSSL_PKEY_PARAM_RSA_N)
    let one = Array(repeating: 0 as UInt8, count: 255) + [1]
    for scheme in KeyPair.rsa.schemes {
      for number in [modulus, Self.sum(modulus, one), Self.sum(modulus, one, minus: true)] {
        try expect(false, number, .rsa, scheme, "a number about the modulus")
      }
      // One signature of 256 begins with a zero. Without it, it is the same number and too short.
      var signature: [UInt8]
      var message = Self.message
      repeat {
        message.append(0)
        signature = try KeyPair.rsa.signature(over: message, by: scheme)
      } while signature[0] != 0
      let publicKey = try #require(try KeyPair.rsa.publicKey())
      #expect(publicKey.verifies(signature, over: message[...], by: scheme))
      let short = Array(signature.dropFirst())
      #expect(!publicKey.verifies(short, over: message[...], by: scheme))
      #expect(!KeyPair.rsa.reference.verifies(short, over: message, by: scheme))
    }
  }

  @Test func saltAndMaskOfPSS() throws {
    let key = try LibCryptoKey(pem: KeyPair.rsa.pem)
    for hash in SignatureHash.allCases {
      let length = EVP_MD_get_size(hash.pointer)
      for salt in [0, 1, 20, length - 1, length, length + 1, 256 - length - 2] as Set {
        let signature = try key.pss(over: Self.message, salt: salt, hash: hash.pointer, mgf1: hash.pointer)
        try expect(salt == length, signature, .rsa, .rsaPSS(hash), "a salt of \(salt) bytes")
      }
      for mask in SignatureHash.allCases where mask != hash {
        let signature = try key.pss(over: Self.message, salt: length, hash: hash.pointer, mgf1: mask.pointer)
        try expect(false, signature, .rsa, .rsaPSS(hash), "MGF1 with another hash function")
      }
      let signature = try key.pss(over: Self.message, salt: length, hash: hash.pointer, mgf1: EVP_sha1())
      try expect(false, signature, .rsa, .rsaPSS(hash), "MGF1 with SHA-1")
    }
  }

  /// With exponent 3, a signature whose padding is not looked at closely can be made without the key.
  @Test(arguments: [2048, 2049, 2055, 3072, 4096] as [Int32]) func otherSizesWithExponent3(_ bits: Int32) throws {
    let own = try LibCryptoKey("RSA", bits: bits, exponent: 3)
    let modulus = try own.number(OSSL_PKEY_PARAM_RSA_N)
    let key = try #require(PublicKey(modulus: modulus, exponent: [3]))
    let reference = ReferenceKey.rsa(try .init(n: modulus, e: [3] as [UInt8]))
    let signing = try PrivateKey(pem: Secret(own.pem()))
    for scheme in KeyPair.rsa.schemes {
      let signature = try #require(signing.signature(over: Self.message, by: scheme))
      #expect(key.verifies(signature, over: Self.message[...], by: scheme))
      #expect(reference.verifies(signature, over: Self.message, by: scheme))
    }
    let garbage = modulus.count - 2 - 8 - 1 - 51
    for block in [Self.block(count: modulus.count, padding: 8, end: Array(repeating: 0, count: garbage))] {
      let forged = try own.raw(block)
      #expect(!key.verifies(forged, over: Self.message[...], by: .rsaPKCS1(.sha256)))
      #expect(!reference.verifies(forged, over: Self.message, by: .rsaPKCS1(.sha256)))
    }
  }
}
