public import Glibc
import Synchronization

/// A descriptor to which lines are written without a wait.
///
/// A reader of a log can stop reading, for example a program that hangs or a stopped terminal. Lines are lost then,
/// because waiting would delay a refresh. Their number is reported before the next line that is written.
final class LineOutput: Sendable {
  private enum Kind {
    case file, socket, stream
  }

  private struct State {
    var lost = 0
    /// Whether the last write ended within a line.
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

  /// Writes `line` and a line break with one write(2), so that lines of several processes do not mix. A pipe guarantees
  /// this up to PIPE_BUF.
  ///
  /// - Parameter notice: makes the line that reports how many were lost.
  func write(_ line: String, notice: (Int) -> String) {
    state.withLock { state in
      guard state.lost == 0 || put(notice(state.lost), &state) else {
        state.lost += 1
        return
      }
      state.lost = put(line, &state) ? 0 : 1
    }
  }

  /// Writes a line; returns whether all of it was written.
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

  /// write(2) that does not wait. `O_NONBLOCK` would affect all processes that share the pipe or the terminal.
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

/// The journal's socket, with its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
///
/// sd_journal_sendv(3) waits without limit while the socket's queue is full: a journald that hangs would block the
/// daemon.
final class JournalSocket: Sendable {
  /// The address of journald.
  private static let address = "/run/systemd/journal/socket"

  private let descriptor: Int32
  private let lost = Mutex(0)

  init() {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Sends an entry if the journal accepts it at once.
  ///
  /// - Parameters:
  ///   - entry: the names and values of the fields.
  ///   - notice: makes the entry that reports how many were lost before.
  func send(_ entry: [(name: String, value: String)], notice: (Int) -> [(name: String, value: String)]) {
    lost.withLock { lost in
      guard lost == 0 || send(Self.datagram(notice(lost))) else {
        lost += 1
        return
      }
      lost = send(Self.datagram(entry)) ? 0 : 1
    }
  }

  /// Sends to the address each time, because a new journald has a new socket. The kernel rejects a datagram that is too
  /// long.
  private func send(_ datagram: [UInt8]) -> Bool {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Self.address.utf8) }
    return withUnsafePointer(to: name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        sendto(
          descriptor, datagram, datagram.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), address,
          socklen_t(MemoryLayout<sockaddr_un>.size)) == datagram.count
      }
    }
  }

  /// `NAME=value` lines. A value with a line break has another form: the name, a line break, the length as 64 bits
  /// little-endian, the value.
  private static func datagram(_ entry: [(name: String, value: String)]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, value) in entry {
      bytes += name.utf8
      if value.utf8.contains(UInt8(ascii: "\n")) {
        bytes.append(UInt8(ascii: "\n"))
        withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian) { bytes += $0 }
      } else {
        bytes.append(UInt8(ascii: "="))
      }
      bytes += value.utf8
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }
}

/// Whether an output of this process is the journal: `$JOURNAL_STREAM` in systemd.exec(5).
public enum JournalStream {
  /// Whether `descriptor` is the stream that the service manager connected to the journal.
  ///
  /// `$JOURNAL_STREAM` alone is not enough: programs inherit it although their output is redirected.
  public static func isConnected(_ descriptor: Int32 = STDERR_FILENO) -> Bool {
    isConnected(descriptor, journalStream: getenv("JOURNAL_STREAM").map { String(cString: $0) })
  }

  static func isConnected(_ descriptor: Int32, journalStream: String?) -> Bool {
    guard let parts = journalStream?.split(separator: ":", omittingEmptySubsequences: false), parts.count == 2 else {
      return false
    }
    guard let device = UInt(parts[0]), let inode = UInt(parts[1]) else { return false }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return status.st_dev == device && status.st_ino == inode
  }
}
