import Glibc

/// Bytes that must not leak: a client secret, an access token, a request body that carries one.
///
/// The bytes live in one allocation that is overwritten when the last reference goes away. Nothing prints them:
/// descriptions, dumps and mirrors say `<secret>`. What Swift does not let us promise: a `String` from which a secret was made,
/// and copies that other libraries take (TOML parser, libcurl, OpenSSL), are freed but not wiped.
public final class Secret: Sendable {
  /// Written in `init` only, and freed in `deinit` only: between the two it is immutable, so sharing it is safe.
  private nonisolated(unsafe) let storage: UnsafeMutableRawBufferPointer

  /// Copies `bytes`; the caller's own copy stays the caller's to wipe.
  public init(_ bytes: some Collection<UInt8>) {
    storage = .allocate(byteCount: bytes.count, alignment: 1)
    storage.copyBytes(from: bytes)
  }

  /// Copies the UTF-8 bytes of `string`.
  public convenience init(_ string: String) {
    self.init(string.utf8)
  }

  deinit {
    if let base = storage.baseAddress { explicit_bzero(base, storage.count) }
    storage.deallocate()
  }

  /// The number of bytes.
  public var count: Int { storage.count }

  /// Calls `body` with the bytes. The pointer is valid during the call only.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try body(UnsafeRawBufferPointer(storage))
  }

  /// A copy as text, for an API that takes only text. Invalid UTF-8 is replaced.
  public var exposed: String {
    String(decoding: storage, as: UTF8.self)
  }
}

extension Secret: Hashable {
  /// Compares without an early exit, so that the time taken does not tell how much of a guess was right.
  public static func == (lhs: Secret, rhs: Secret) -> Bool {
    guard lhs.storage.count == rhs.storage.count else { return false }
    var difference: UInt8 = 0
    for (left, right) in zip(lhs.storage, rhs.storage) { difference |= left ^ right }
    return difference == 0
  }

  /// Feeds the bytes to `hasher` (seeded anew in each process: the result tells nothing outside it).
  public func hash(into hasher: inout Hasher) {
    hasher.combine(bytes: UnsafeRawBufferPointer(storage))
  }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Always `<secret>`.
  public var description: String { "<secret>" }
  /// Always `<secret>`.
  public var debugDescription: String { "<secret>" }
  /// A mirror without children, so that `dump` shows nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
