import Broker
import Glibc
import Report

/// What standard output and standard error lead to.
enum Terminal {
  /// How to write to this descriptor: with colours and a width only on a terminal, and without colours where `NO_COLOR`
  /// (no-color.org) or `TERM=dumb` ask for that.
  static func style(of descriptor: Int32) -> TextStyle {
    guard isatty(descriptor) == 1 else { return .plain }
    var size = winsize()
    let columns = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    return TextStyle(isColoured: !isSet("NO_COLOR") && variable("TERM") != "dumb", columns: columns)
  }

  private static func isSet(_ name: String) -> Bool { variable(name).map { !$0.isEmpty } ?? false }

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// Standard output, unbuffered; a reader that went away ends the command.
enum StandardOutput {
  /// Text for a person.
  static func write(_ lines: [StyledLine]) {
    write(Array(lines.rendered(style).utf8))
  }

  /// Text for a person, in place of what the terminal shows.
  static func redraw(_ lines: [StyledLine]) {
    // Cursor home, each line with its rest cleared, then everything below: nothing flickers.
    let text = lines.map { $0.rendered(style) + "\u{1B}[K\n" }.joined()
    write(Array("\u{1B}[H\(text)\u{1B}[J".utf8))
  }

  /// Text for a program.
  static func write(json: String) {
    write(Array(json.utf8))
  }

  static let style = Terminal.style(of: STDOUT_FILENO)

  /// Bytes as they are.
  static func write(_ bytes: [UInt8]) {
    guard WholeWrite.write(bytes, to: STDOUT_FILENO) else {
      CommandLineError.end("cannot write to standard output", code: EX_IOERR)
    }
  }
}

/// Standard error, unbuffered, without the C library's shared `FILE`.
enum StandardError {
  static func write(_ text: String) {
    // There is nowhere else to tell that it failed.
    _ = WholeWrite.write(Array(text.utf8), to: STDERR_FILENO)
  }
}

/// write(2) until all is written.
enum WholeWrite {
  /// - Returns: whether all could be written.
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard written > 0 else {
        if written < 0, errno == EINTR { continue }
        return false
      }
      rest = rest.dropFirst(written)
    }
    return true
  }
}
