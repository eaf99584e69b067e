internal import CLinux

/// The words for an `errno`.
package enum SystemError {
  /// Those of `code`.
  package static func text(_ code: Int32) -> String {
    // strerrordesc_np returns a constant; strerror is not safe to call from several threads.
    guard let words = strerrordesc_np(code) else { return "error \(code)" }
    return String(cString: words)
  }
}
