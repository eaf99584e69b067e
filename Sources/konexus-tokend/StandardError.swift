import Files
import Glibc

/// Standard error, unbuffered, without the C library's shared `FILE`.
enum StandardError {
  static func write(_ text: String) {
    // There is nowhere else to tell that it failed.
    try? FileContent.write(Array(text.utf8), to: STDERR_FILENO)
  }
}
