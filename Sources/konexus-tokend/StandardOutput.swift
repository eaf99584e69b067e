import Broker
import Files
import Glibc
import Report

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
    do { try FileContent.write(bytes, to: STDOUT_FILENO) } catch {
      Complaint.end("cannot write to standard output", code: EX_IOERR)
    }
  }
}
