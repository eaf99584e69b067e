import Files
import Glibc
import Report

/// The style of standard output and standard error.
enum Terminal {
  /// The style for a descriptor. Only a terminal has a width and colours. `NO_COLOR` (no-color.org) and `TERM=dumb`
  /// disable colours.
  static func style(of descriptor: Int32) -> TextStyle {
    guard isatty(descriptor) == 1 else { return .plain }
    var size = winsize()
    let columns = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    return TextStyle(isColoured: !isSet("NO_COLOR") && variable("TERM") != "dumb", columns: columns)
  }

  private static func isSet(_ name: String) -> Bool { variable(name).map { !$0.isEmpty } ?? false }

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// Standard output, unbuffered. If it is closed, the command ends.
enum StandardOutput {
  /// Writes text for a reader.
  static func write(_ lines: [StyledLine]) {
    write(Array(lines.rendered(style).utf8))
  }

  /// Writes text for a reader over the previous text on the terminal.
  static func redraw(_ lines: [StyledLine]) {
    // Moves the cursor home and clears the rest of each line, then the lines below. This avoids flicker.
    let text = lines.map { $0.rendered(style) + "\u{1B}[K\n" }.joined()
    write(Array("\u{1B}[H\(text)\u{1B}[J".utf8))
  }

  /// Writes text over the last line of the terminal, cut to its width. The cursor stays in the line.
  static func writeProgress(_ text: String) {
    let shown = StyledLine(text).rendered(.plain).prefix(max(0, (style.columns ?? 80) - 1))
    write(Array("\r\(shown)\u{1B}[K\(shown.isEmpty ? "\r" : "")".utf8))
  }

  /// Writes text for a program.
  static func write(json: String) {
    write(Array(json.utf8))
  }

  static let style = Terminal.style(of: STDOUT_FILENO)

  /// Writes bytes.
  static func write(_ bytes: [UInt8]) {
    do { try FileContent.write(bytes, to: STDOUT_FILENO) } catch {
      CommandLineError.exit("cannot write to standard output", code: EX_IOERR)
    }
  }
}

/// Standard error, unbuffered, without the C library's shared `FILE`.
enum StandardError {
  static func write(_ text: String) {
    // There is no other place to report a failure.
    try? FileContent.write(Array(text.utf8), to: STDERR_FILENO)
  }
}
