import Base
import CCrypto
import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
@testable import Cryptography

/// Which texts give a private key. The same ones as before, when swift-crypto read them.
@Suite struct PrivateKeyTests {
  /// The type of the key in `text`, or why there is none.
  private static func read(_ text: String) -> Result<KeyType, PrivateKey.Failure> {
    Result { () throws(PrivateKey.Failure) in try PrivateKey(pem: Secret(text)).type }
  }

  /// What swift-crypto makes of it, in the order in which its types were tried.
  private static func reference(_ text: String) -> KeyType? {
    if let key = try? _RSA.Signing.PrivateKey(pemRepresentation: text), key.keySizeInBits >= 2048 { return .rsa }
    if (try? P256.Signing.PrivateKey(pemRepresentation: text)) != nil { return .ellipticCurve(.p256) }
    if (try? P384.Signing.PrivateKey(pemRepresentation: text)) != nil { return .ellipticCurve(.p384) }
    if (try? P521.Signing.PrivateKey(pemRepresentation: text)) != nil { return .ellipticCurve(.p521) }
    return (try? Curve25519.Signing.PrivateKey(pemRepresentation: text)) == nil ? nil : .ed25519
  }

  @Test(arguments: KeyPair.allCases) func everyForm(_ pair: KeyPair) throws {
    let key = try LibCryptoKey(pem: pair.pem)
    let type = try #require(try pair.publicKey()).type
    for text in [pair.pem, try key.pem()] + (pair == .ed25519 ? [] : [try key.pem(traditional: true)]) {
      #expect(Self.reference(text) == type)
      let lines = text.split(separator: "\n").map(String.init)
      let body = lines.dropFirst().dropLast().joined()
      let narrow = stride(from: 0, to: body.utf8.count, by: 60).map { String(body.dropFirst($0).prefix(60)) }
      let forms = [
        lines.joined(separator: "\r\n"), lines.joined(separator: "\r"), lines.joined(separator: "\n\n"),
        "Bag Attributes\n" + text + "\n\n", "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n" + text,
        text + "\n" + pair.pem, lines.joined(separator: " \n"),
        ([lines[0]] + narrow + [lines[lines.count - 1]]).joined(separator: "\n"),
        [lines[0], body, lines[lines.count - 1]].joined(separator: "\n"),
      ]
      for form in [text] + forms { #expect(Self.read(form) == .success(type), "\(form)") }
    }
  }

  @Test func keysThatCannotSignHere() throws {
    let refused: [(String, LibCryptoKey)] = [
      ("RSA of 2047 bits", try LibCryptoKey("RSA", bits: 2047)),
      ("RSA of 1024 bits", try LibCryptoKey("RSA", bits: 1024)),
      ("RSA with an exponent of 34 bits", try LibCryptoKey("RSA", bits: 2048, exponent: 0x2_0000_0001)),
      ("RSA-PSS", try LibCryptoKey("RSA-PSS", bits: 2048)), ("X25519", try LibCryptoKey("X25519")),
      ("Ed448", try LibCryptoKey("ED448")), ("secp256k1", try LibCryptoKey("EC", group: "secp256k1")),
      ("P-224", try LibCryptoKey("EC", group: "P-224")),
    ]
    for (name, key) in refused {
      #expect(Self.read(try key.pem()) == .failure(.unusable), "\(name)")
      // swift-crypto took these for keys of other types, whose public halves no server knows.
      if !["X25519", "secp256k1"].contains(name) { #expect(Self.reference(try key.pem()) == nil, "\(name)") }
    }
    let accepted: [(String, LibCryptoKey)] = [
      ("RSA of 2049 bits", try LibCryptoKey("RSA", bits: 2049)),
      ("RSA with exponent 3", try LibCryptoKey("RSA", bits: 2048, exponent: 3)),
      ("RSA with an exponent of 33 bits", try LibCryptoKey("RSA", bits: 2048, exponent: 0x1_0000_0001)),
    ]
    for (name, key) in accepted {
      #expect(Self.read(try key.pem()) == .success(.rsa), "\(name)")
      #expect(Self.reference(try key.pem()) == .rsa, "\(name)")
    }
  }

  @Test func textsWithoutAUsableKey() throws {
    let key = try LibCryptoKey(pem: KeyPair.rsa.pem)
    let texts: [(String, PrivateKey.Failure)] = [
      ("", .missing), ("secret", .missing), (KeyPair.p256Key.publicKey.pemRepresentation, .missing),
      ("-----BEGIN PRIVATE KEY-----\nAAAA\n", .missing),
      ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", .unusable),
      ("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", .unusable),
      (KeyPair.rsa.pem.replacing("-----END PRIVATE", with: "-----END PUBLIC"), .unusable),
      (KeyPair.p256.pem.replacing(" PRIVATE KEY", with: " DSA PRIVATE KEY"), .unusable),
      (try key.pem(passphrase: "x"), .encrypted), (try key.pem(traditional: true, passphrase: "x"), .encrypted),
    ]
    for (text, failure) in texts { #expect(Self.read(text) == .failure(failure), "\(text)") }
  }

  /// The text of DER, in PEM.
  private static func pem(_ label: String, _ der: [UInt8]) -> String {
    let body = Data(der).base64EncodedString(options: .lineLength64Characters).replacing("\r", with: "")
    return "-----BEGIN \(label)-----\n\(body)\n-----END \(label)-----\n"
  }

  /// SEC 1 of a scalar alone, without the public key.
  private static func sec1(_ curve: Curve, _ scalar: [UInt8]) -> String {
    let identifiers: [Curve: [UInt8]] = [
      .p256: SignatureTests.hex("06082a8648ce3d030107"), .p384: SignatureTests.hex("06052b81040022"),
      .p521: SignatureTests.hex("06052b81040023"),
    ]
    let identifier = identifiers[curve] ?? []
    let content =
      [2, 1, 1, 4, UInt8(scalar.count)] + scalar + [0xA0, UInt8(identifier.count)] + identifier
    return pem("EC PRIVATE KEY", [0x30, UInt8(content.count)] + content)
  }

  @Test(arguments: [(KeyPair.p256, Curve.p256), (.p384, .p384), (.p521, .p521)])
  func scalars(_ pair: KeyPair, _ curve: Curve) throws {
    let order = try #require(SignatureTests.orders[pair])
    let zero = Array(repeating: 0 as UInt8, count: order.count)
    let one = Array(zero.dropLast()) + [1]
    let cases: [(String, [UInt8], Bool)] = [
      ("0", zero, false), ("1", one, true), ("order - 1", SignatureTests.sum(order, one, minus: true), true),
      ("order", order, false), ("order + 1", SignatureTests.sum(order, one), false),
      ("all ones", Array(repeating: 0xFF, count: order.count), false),
    ]
    for (name, scalar, accepted) in cases {
      let text = Self.sec1(curve, scalar)
      #expect((Self.reference(text) != nil) == accepted, "reference: \(name)")
      #expect(Self.read(text) == (accepted ? .success(.ellipticCurve(curve)) : .failure(.unusable)), "\(name)")
    }
  }

  /// One number of an RSA key changed at a time: the key would sign wrongly, or not at all.
  @Test func damagedRSAKeys() throws {
    let der = Array(KeyPair.rsaKey.derRepresentation)
    // SEQUENCE of 9 INTEGERs: version, n, e, d, p, q, dP, dQ, qInv.
    var offset = 4
    var numbers: [Range<Int>] = []
    while offset < der.count {
      let long = Int(der[offset + 1])
      let (start, count) =
        long < 0x80
        ? (offset + 2, long)
        : long == 0x81
          ? (offset + 3, Int(der[offset + 2])) : (offset + 4, Int(der[offset + 2]) << 8 | Int(der[offset + 3]))
      numbers.append(start..<(start + count))
      offset = start + count
    }
    #expect(numbers.count == 9)
    #expect(Self.read(Self.pem("RSA PRIVATE KEY", der)) == .success(.rsa))
    // libcrypto does not look at the version. Further primes, which version 1 announces, would not fit n = p * q.
    for number in numbers.dropFirst() {
      for index in [number.upperBound - 1, number.lowerBound + number.count / 2] {
        for bit: UInt8 in [0x02, 0x10] {
          var changed = der
          changed[index] ^= bit
          let text = Self.pem("RSA PRIVATE KEY", changed)
          #expect(Self.reference(text) == nil, "reference: byte \(index)")
          #expect(Self.read(text) == .failure(.unusable), "byte \(index)")
        }
      }
    }
  }

  /// 400 damages of each key. What swift-crypto refused is refused, or is another encoding that signs rightly.
  ///
  /// libcrypto reads more encodings of the same key. It refuses a public key that is not on its curve, and the name of
  /// another type. swift-crypto looked at neither.
  @Test(arguments: [UInt64.random(in: .min ... .max)]) func randomDamage(_ seed: UInt64) throws {
    var generator = SplitMix64(seed: seed)
    for pair in KeyPair.allCases {
      let der = Array(
        Data(base64Encoded: pair.pem.split(separator: "\n").dropFirst().dropLast().joined()) ?? Data())
      let type = try #require(try pair.publicKey()).type
      let key = try #require(try pair.publicKey())
      for _ in 0..<400 {
        var changed = der
        let index = Int.random(in: changed.indices, using: &generator)
        changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        let text = Self.pem("PRIVATE KEY", changed)
        let reference = Self.reference(text)
        switch (Self.read(text), reference) {
        case (.success(let own), nil):
          // Another encoding of the same key.
          let signing = try PrivateKey(pem: Secret(text))
          let scheme = pair.schemes[0]
          let signature = try #require(signing.signature(over: SignatureTests.message, by: scheme))
          let same = key.verifies(signature, over: SignatureTests.message[...], by: scheme)
          #expect(own == type && same, "seed \(seed), byte \(index): accepted \(own), refused by the reference")
        case (.failure, let reference?):
          let isScalar = pair.scalar.flatMap { der.firstRange(of: $0) }?.contains(index) ?? true
          #expect(!isScalar, "seed \(seed), \(pair) byte \(index): refused, \(reference) by the reference")
        case (.success(let own), let reference?): #expect(own == reference, "seed \(seed), byte \(index)")
        case (.failure, nil): break
        }
      }
    }
  }
}
