import Dispatch
import Synchronization

/// The signing keys: one that signs, those that still are published, and one made ahead so that a rotation is instant.
final class KeyRing: Sendable {
  private struct Keys {
    var current: SigningKey
    /// Published already, and the next to sign.
    var prepared: SigningKey?
    var retired: [SigningKey] = []
    var next: Task<SigningKey, any Error>?
    var unpublished: Task<SigningKey, any Error>?
  }

  /// How many retired keys stay published, so that no soak grows the key set without end.
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

  /// Every key that is published: the current first, then the prepared one, then the retired, the youngest first.
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

  /// Signs with the prepared key, or with a new one, from now on. The old ones stay published unless `dropOld`.
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

  /// The key that was made ahead; the next one is begun.
  private func nextKey() async throws -> SigningKey {
    let next = keys.withLock { keys in
      defer { keys.next = nil }
      return keys.next ?? making()
    }
    let key = try await next.value
    keys.withLock { $0.next = $0.next ?? making() }
    return key
  }

  /// Publishes the current key alone.
  func dropRetired() { keys.withLock { $0.retired = [] } }

  /// A key that never is published, for forged signatures.
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

  /// Makes a key on a thread of its own, as a serial queue has: the search for primes may take seconds, and the global
  /// queues lend their threads to Swift's tasks.
  private static func make(_ algorithm: SigningAlgorithm, _ bits: Int) async throws -> SigningKey {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue(label: "konexus-sandbox.key", qos: .utility).async {
        continuation.resume(with: Result { try SigningKey(algorithm, bits: bits) })
      }
    }
  }
}
