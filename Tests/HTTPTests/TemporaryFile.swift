import Glibc
import TestSupport

/// A file that is removed when it is released.
final class TemporaryFile: Sendable {
  let path: String

  init(_ content: String) throws {
    path = "/tmp/konexus-http-test.\(getpid()).\(UInt64.random(in: .min ... .max))"
    try write(content)
  }

  deinit { unlink(path) }

  /// Replaces the content.
  func write(_ content: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    let bytes = Array(content.utf8)
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else { throw RawServerFailure(code: errno) }
  }
}
