import ArgumentParser
import Glibc
import OAuthClient

/// Errors of commands: one line on what is wrong and one on what to type next, on standard error.
enum Complaint {
  /// Writes both and ends the process.
  static func end(_ problem: String, next: String? = nil, code: Int32) -> Never {
    let style = Terminal.style(of: STDERR_FILENO)
    var text = style.paint("konexus-tokend: ", .strong) + problem + "\n"
    if let next { text += style.paint("-> ", .strong) + next + "\n" }
    StandardError.write(text)
    exit(code)
  }

  /// Text from the command line, fit for a message.
  static func quoted(_ text: String) -> String { Printable.shortened(text) }
}
