import Base
import Cryptography
import FoundationEssentials

/// The issuer's public keys, from its JWKS (RFC 7517 section 5).
///
/// Keys that cannot verify a token are skipped one by one. The others are encoded as a JWKS again for storage.
public struct KeySet: Sendable {
  /// A key and its members in the JWKS.
  struct Entry: Sendable {
    let source: JSONWebKey
    let key: PublicKey

    /// Whether the key can verify a token with this algorithm.
    func fits(_ algorithm: SignatureAlgorithm) -> Bool {
      // A key with an `alg` is for this algorithm only (RFC 8725 section 3.1).
      algorithm.scheme.keyType == key.type && (source.alg.map { SignatureAlgorithm(name: $0) == algorithm } ?? true)
    }
  }

  /// The longest accepted JWKS document.
  public static let maximumBytes = 1 << 20
  /// The maximum number of keys. Further keys are ignored.
  public static let maximumKeys = 100
  /// The maximum number of entries of `keys`, usable or not.
  public static let maximumEntries = 1000
  /// The maximum number of keys for one token.
  static let maximumTries = 10

  let entries: [Entry]
  /// The first ten skipped keys.
  public let skipped: [SkippedKey]

  /// The number of usable keys.
  public var count: Int { entries.count }

  /// The SHA-256 of the usable keys in hexadecimal digits. It does not depend on their order: some servers list the
  /// same keys in another order each time.
  public var fingerprint: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let keys = entries.compactMap { try? encoder.encode($0.source) }.map { String(decoding: $0, as: UTF8.self) }
    return SHA256.hex(of: Array(keys.sorted().joined(separator: "\n").utf8))
  }

  /// Reads a JWKS document.
  ///
  /// - Throws: ``KeySetFailure`` if it is longer than 1 MiB, is not a JWKS, or holds no usable key. A faulty key among
  ///   usable ones is no failure.
  public init(parsing json: [UInt8]) throws(KeySetFailure) {
    guard json.count <= Self.maximumBytes else {
      throw KeySetFailure(
        reason: .oversized(bytes: json.count),
        message: "the JWKS is \(json.count) bytes long; at most \(Self.maximumBytes) are read")
    }
    let document: Document
    do {
      let lists = try StrictJSON(document: json).members.filter { $0.name == "keys" }
      let keys = lists.first?.value.elements ?? []
      let decoder = JSONDecoder()
      if let place = Document.keysWithDuplicate {
        decoder.userInfo[place] = Set(keys.indices.filter { keys[$0].duplicate != nil })
      }
      document = try decoder.decode(Document.self, from: Data(json))
      // RFC 7517, 5: readers can use either of two lists.
      guard lists.count == 1 else { throw StrictJSON.Failure.syntax(offset: 0) }
    } catch {
      throw KeySetFailure(reason: .malformed, message: "the JWKS is not a JSON object with one array \"keys\"")
    }
    try self.init(document)
  }

  private init(_ document: Document) throws(KeySetFailure) {
    entries = document.entries
    skipped = document.skipped
    guard !entries.isEmpty else {
      let why = skipped.isEmpty ? "it is empty" : skipped.map(\.description).joined(separator: "; ")
      throw KeySetFailure(reason: .noUsableKey, message: "the JWKS holds no key that could verify a token: \(why)")
    }
  }

  /// The keys for a token, at most ten: those with its `kid`. For a token without a `kid`, all that fit the algorithm.
  func candidates(keyID: String?, algorithm: SignatureAlgorithm) throws(VerificationFailure) -> [PublicKey] {
    try fittingEntries(keyID: keyID, algorithm: algorithm).map(\.key)
  }

  /// Whether a token has the same keys to try in both sets. Its signature is then valid by both, or by neither.
  func hasSameCandidates(as other: KeySet, keyID: String?, algorithm: SignatureAlgorithm) -> Bool {
    guard let own = try? fittingEntries(keyID: keyID, algorithm: algorithm),
      let others = try? other.fittingEntries(keyID: keyID, algorithm: algorithm)
    else { return false }
    return own.elementsEqual(others) { $0.source == $1.source }
  }

  private func fittingEntries(
    keyID: String?, algorithm: SignatureAlgorithm
  ) throws(VerificationFailure) -> ArraySlice<Entry> {
    guard let keyID else {
      let fitting = entries.filter { $0.fits(algorithm) }
      guard !fitting.isEmpty else {
        throw VerificationFailure(
          .unknownKey(nil),
          "the token names no key, and none of the issuer's \(count) keys is for \(algorithm.rawValue)")
      }
      return fitting.prefix(Self.maximumTries)
    }
    let named = entries.filter { $0.source.kid?.isExactly(keyID) ?? false }
    let fitting = (named.isEmpty ? entries.filter { $0.source.kid == nil } : named).filter { $0.fits(algorithm) }
    if named.isEmpty, fitting.isEmpty {
      throw VerificationFailure(
        .unknownKey(keyID.escapedForMessage),
        "the token is signed with the key \(keyID.quotedForMessage), which is not among the issuer's \(count) keys")
    }
    guard !fitting.isEmpty else {
      throw VerificationFailure(
        .keyMismatch(keyID.escapedForMessage),
        "the token is signed with \(algorithm.rawValue), which the issuer's key \(keyID.quotedForMessage) is not for")
    }
    return fitting.prefix(Self.maximumTries)
  }
}

extension KeySet: Hashable {
  /// Whether both hold the same keys in the same order.
  public static func == (lhs: KeySet, rhs: KeySet) -> Bool {
    lhs.entries.elementsEqual(rhs.entries) { $0.source == $1.source }
  }

  /// Feeds the keys to `hasher`.
  public func hash(into hasher: inout Hasher) { hasher.combine(entries.map(\.source)) }
}

extension KeySet: Codable {
  /// Reads a JWKS as `init(parsing:)` does, from within another document.
  ///
  /// - Throws: A `DecodingError` or a ``KeySetFailure``.
  public init(from decoder: any Decoder) throws {
    try self.init(try Document(from: decoder))
  }

  /// Writes the usable keys as a JWKS.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Document.CodingKeys.self)
    try container.encode(entries.map(\.source), forKey: .keys)
  }
}

/// A JWKS document, read entry by entry. The amount of work is limited.
private struct Document: Decodable {
  enum CodingKeys: String, CodingKey { case keys }

  /// The indices of the keys that hold a member twice. The decoder does not report it.
  static let keysWithDuplicate = CodingUserInfoKey(rawValue: "keysWithDuplicate")

  /// An entry of any type.
  private struct Candidate: Decodable {
    let key: JSONWebKey?
    init(from decoder: any Decoder) throws { key = try? JSONWebKey(from: decoder) }
  }

  var entries: [KeySet.Entry] = []
  var skipped: [SkippedKey] = []

  init(from decoder: any Decoder) throws {
    var keys = try decoder.container(keyedBy: CodingKeys.self).nestedUnkeyedContainer(forKey: .keys)
    let doubtful = Self.keysWithDuplicate.flatMap { decoder.userInfo[$0] as? Set<Int> } ?? []
    while !keys.isAtEnd, keys.currentIndex < KeySet.maximumEntries, entries.count < KeySet.maximumKeys {
      let index = keys.currentIndex
      let source = try keys.decode(Candidate.self).key
      do throws(SkippedKey.Reason) {
        guard let source else { throw .malformed }
        guard !doubtful.contains(index) else { throw .duplicateMember }
        entries.append(KeySet.Entry(source: source, key: try source.publicKey()))
      } catch {
        if skipped.count < 10 { skipped.append(SkippedKey(index: index, reason: error)) }
      }
    }
  }
}

/// The reason why a JWKS document has no keys.
public struct KeySetFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Reason: Hashable, Sendable {
    /// Longer than 1 MiB.
    case oversized(bytes: Int)
    /// Not a JSON object with an array `keys` (RFC 7517 section 5).
    case malformed
    /// A JWKS without a key that can verify a token.
    case noUsableKey
  }

  /// The kind of failure.
  public let reason: Reason
  /// What is wrong. One line of plain text.
  public let message: String

  /// The message.
  public var description: String { message }
}
