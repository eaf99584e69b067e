internal import Glibc
internal import Synchronization

/// A descriptor that takes whole lines, as far as it takes them at once.
///
/// Who reads a log may stop reading: a pipe into a program that hangs, a terminal that was halted. A line is lost then, where waiting
/// would hold up a refresh; how many were is told in front of the next line that gets through.
final class LineOutput: Sendable {
  private enum Kind {
    case file, socket, stream
  }

  private struct State {
    var lost = 0
    /// Whether what was written last is a line's beginning without its end.
    var isWithinLine = false
  }

  private let descriptor: Int32
  private let kind: Kind
  private let state = Mutex(State())

  init(descriptor: Int32) {
    self.descriptor = descriptor
    var status = stat()
    let isKnown = fstat(descriptor, &status) == 0
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG where isKnown: .file
      case S_IFSOCK where isKnown: .socket
      default: .stream
      }
  }

  /// Writes `line` and a line break; `notice` words the line that tells how many were lost.
  ///
  /// One write(2) takes a line, so that lines of several processes do not mix (as far as the kernel's own limits go: PIPE_BUF for a pipe).
  func write(_ line: String, notice: (Int) -> String) {
    state.withLock { state in
      guard state.lost == 0 || put(notice(state.lost), &state) else {
        state.lost += 1
        return
      }
      state.lost = put(line, &state) ? 0 : 1
    }
  }

  /// Whether all of `line` was taken.
  private func put(_ line: String, _ state: inout State) -> Bool {
    var text = state.isWithinLine ? "\n" + line + "\n" : line + "\n"
    return text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let written = writeAtOnce(rest)
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { return false }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        state.isWithinLine = !rest.isEmpty
      }
      return true
    }
  }

  /// write(2) that does not wait. `O_NONBLOCK` would do, but it would hold for all processes that share the pipe or the terminal.
  private func writeAtOnce(_ bytes: UnsafeRawBufferPointer) -> Int {
    switch kind {
    case .file: return Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    case .socket: return send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
    case .stream:
      var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&ready, 1, 0) > 0 else { return 0 }
      // A pipe that is ready takes this much without waiting (pipe(7)).
      return Glibc.write(descriptor, bytes.baseAddress, min(bytes.count, Int(PIPE_BUF)))
    }
  }
}
