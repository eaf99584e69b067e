internal import Glibc

/// A descriptor that takes whole lines.
struct LineOutput: Sendable {
  let descriptor: Int32

  /// Writes `line` and a line break with one write(2), so that lines of several threads and processes do not mix (as far as the
  /// kernel's own limits go: PIPE_BUF for a pipe). What cannot be written is lost: there is nowhere else to tell.
  func write(_ line: String) {
    var line = line
    line.append("\n")
    line.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }
}
