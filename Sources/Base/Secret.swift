import Glibc

/// Bytes that must not leak: a client secret, an access token, a request body that carries one.
///
/// The bytes are in one allocation, which is overwritten when the last reference goes away. Descriptions, dumps and
/// mirrors show `<secret>`. Two kinds of copies are freed but not overwritten. One is a `String` that a secret was made
/// from. The other is a copy in another library, such as libcurl or OpenSSL.
public final class Secret: Sendable {
  /// The whole allocation. It is written in `init` and freed in `deinit`. It never changes in between, so that threads
  /// can share it.
  private nonisolated(unsafe) let storage: UnsafeMutableRawBufferPointer

  /// The number of bytes.
  public let count: Int

  /// A secret that `body` writes directly into its memory, so that no other copy needs to be overwritten.
  ///
  /// - Parameters:
  ///   - capacity: the size of the memory, in bytes. The memory is zeroed.
  /// - body: writes the bytes from the start of the memory on, and sets their number, which is `capacity` at first. If
  ///     it throws, the memory is overwritten and freed.
  public init<E: Error>(
    capacity: Int, initializingWith body: (UnsafeMutableRawBufferPointer, inout Int) throws(E) -> Void
  ) throws(E) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 1)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    var count = capacity
    do throws(E) {
      try body(memory, &count)
    } catch {
      Self.overwrite(memory)
      memory.deallocate()
      throw error
    }
    precondition(0...capacity ~= count)
    storage = memory
    self.count = count
  }

  /// Copies `bytes`. The caller's copy is not overwritten.
  public convenience init(_ bytes: some Collection<UInt8>) {
    self.init(capacity: bytes.count) { memory, _ in memory.copyBytes(from: bytes) }
  }

  /// Copies the UTF-8 bytes of `string`.
  public convenience init(_ string: String) {
    self.init(string.utf8)
  }

  deinit {
    Self.overwrite(storage)
    storage.deallocate()
  }

  /// Overwrites memory with zeros, even if it is not read afterwards.
  package static func overwrite(_ memory: UnsafeMutableRawBufferPointer) {
    if let start = memory.baseAddress { explicit_bzero(start, memory.count) }
  }

  /// Calls `body` with the bytes. The pointer is valid during the call only.
  public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try body(bytes)
  }

  private var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<count]) }

  /// A copy as text, for an API that takes only text. Invalid UTF-8 is replaced.
  public var exposed: String {
    String(decoding: bytes, as: UTF8.self)
  }
}

extension Secret: Hashable {
  /// Compares all bytes, even after a difference. So the time does not show how many bytes were right.
  public static func == (lhs: Secret, rhs: Secret) -> Bool {
    guard lhs.count == rhs.count else { return false }
    var difference: UInt8 = 0
    for (left, right) in zip(lhs.bytes, rhs.bytes) { difference |= left ^ right }
    return difference == 0
  }

  /// Feeds the bytes to `hasher`. Each process has another seed, so that the result reveals nothing to other processes.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(bytes: bytes)
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
