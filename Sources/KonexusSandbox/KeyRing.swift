import Dispatch
import Synchronization

/// The signing keys: one that signs, and others that are still published. One more is made in advance, so that a
/// rotation is immediate.
final class KeyRing: Sendable {
  private struct Keys {
    var current: SigningKey
    /// Already published, and the next key that signs.
    var prepared: SigningKey?
    var retired: [SigningKey] = []
    var next: Task<SigningKey, any Error>?
    var unpublished: Task<SigningKey, any Error>?
  }

  /// How many retired keys stay published. Without a limit, the key set would grow without end in a soak test.
  static let mostRetired = 8

  private let keys: Mutex<Keys>
  private let algorithm: SigningAlgorithm
  private let bits: Int

  init(_ algorithm: SigningAlgorithm, bits: Int, preparesNext: Bool) async throws {
    self.algorithm = algorithm
    self.bits = bits
    keys = Mutex(Keys(current: try await Self.make(algorithm, bits)))
    if preparesNext { keys.withLock { $0.next = making() } }
  }

  /// The key that signs.
  var current: SigningKey { keys.withLock(\.current) }

  /// Every published key. The current one comes first, then the prepared one, then the retired ones from the newest on.
  var published: [SigningKey] { keys.withLock { [$0.current] + [$0.prepared].compactMap(\.self) + $0.retired } }

  /// Publishes the key that signs after the next rotation.
  ///
  /// - Returns: its `kid`.
  func prepare() async throws -> String {
    let key = try await nextKey()
    return keys.withLock { keys in
      keys.prepared = key
      return key.keyID
    }
  }

  /// From now on, signs with the prepared key, or with a new one. The old ones stay published unless `dropOld`.
  func rotate(dropOld: Bool) async throws {
    let prepared = keys.withLock { keys in
      defer { keys.prepared = nil }
      return keys.prepared
    }
    let key = if let prepared { prepared } else { try await nextKey() }
    keys.withLock { keys in
      keys.retired = dropOld ? [] : Array(([keys.current] + keys.retired).prefix(Self.mostRetired))
      keys.current = key
    }
  }

  /// The key that was made in advance. The next one is begun.
  private func nextKey() async throws -> SigningKey {
    let next = keys.withLock { keys in
      defer { keys.next = nil }
      return keys.next ?? making()
    }
    let key = try await next.value
    keys.withLock { $0.next = $0.next ?? making() }
    return key
  }

  /// Publishes only the current key.
  func dropRetired() { keys.withLock { $0.retired = [] } }

  /// A key that is never published, for forged signatures.
  func unpublished() async throws -> SigningKey {
    try await keys.withLock { keys in
      let key = keys.unpublished ?? making()
      keys.unpublished = key
      return key
    }.value
  }

  private func making() -> Task<SigningKey, any Error> {
    Task { [algorithm, bits] in try await Self.make(algorithm, bits) }
  }

  /// Makes a key on the thread of a serial queue. The search for primes can take seconds, and Swift's tasks use the
  /// threads of the global queues.
  private static func make(_ algorithm: SigningAlgorithm, _ bits: Int) async throws -> SigningKey {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue(label: "konexus-sandbox.key", qos: .utility).async {
        continuation.resume(with: Result { try SigningKey(algorithm, bits: bits) })
      }
    }
  }
}
