import Glibc

/// A file in /tmp that goes when this does.
final class TemporaryFile: Sendable {
  let path: String

  init(_ text: String = "") throws {
    var template = Array("/tmp/konexus-sandbox-test.XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw CannotMakeFile() }
    path = template.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { String(cString: $0) } ?? "" }
    defer { close(descriptor) }
    guard write(descriptor, text, text.utf8.count) == text.utf8.count else { throw CannotMakeFile() }
  }

  deinit { unlink(path) }

  struct CannotMakeFile: Error {}
}
