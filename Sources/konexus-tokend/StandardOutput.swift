import Glibc

/// Standard output, unbuffered; a reader that went away ends the command.
enum StandardOutput {
  static func write(_ text: String) {
    write(Array(text.utf8))
  }

  static func write(_ bytes: [UInt8]) {
    guard WholeWrite.write(bytes, to: STDOUT_FILENO) else {
      Complaint.end("cannot write to standard output", code: EX_IOERR)
    }
  }
}
