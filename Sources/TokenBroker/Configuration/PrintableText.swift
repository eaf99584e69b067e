import Glibc
import OAuthClient

extension String {
  /// The text with everything that a terminal might act on, or that hides in it, written as an escape.
  var printable: String { Printable.escaped(self) }

  /// The text as one word of a shell command.
  var shellQuoted: String {
    let plain = printable
    // A name with control characters cannot be typed as it is: $'...' takes the escapes.
    if plain != self { return "$'" + utf8.map(Self.shellEscape).joined() + "'" }
    let isWord = !isEmpty && utf8.allSatisfy { $0.isBareKeyByte || "/.,:=@%+".utf8.contains($0) }
    return isWord
      ? self : "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  private static func shellEscape(_ byte: UInt8) -> String {
    switch byte {
    case .apostrophe, .backslash: "\\" + String(UnicodeScalar(byte))
    case 0x20..<0x7f: String(UnicodeScalar(byte))
    default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
  }
}

extension FileRefusal {
  /// What the system said when the file was opened or read.
  init(path: String, errno code: Int32, userID: UInt32) {
    let remedy =
      switch code {
      case ENOENT: "create it, or correct the path"
      case EACCES: "use sudo; under systemd, hand it over by LoadCredential="
      case ELOOP: "name the file itself"
      case ENOTDIR: "correct the path"
      default: "see to it that uid \(userID) can read it"
      }
    let problem =
      switch code {
      case ENOENT: "does not exist"
      case EACCES: "may not be read by uid \(userID)"
      case ELOOP: "is reached through too many symbolic links, or a link that changed meanwhile"
      case ENOTDIR: "leads through something that is no directory"
      default: "cannot be read (\(SystemError.text(code)))"
      }
    self.init(
      path: path, problem: problem, remedy: remedy, isMissing: [ENOENT, ENOTDIR, ENAMETOOLONG].contains(code))
  }
}
