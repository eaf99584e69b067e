import CLinux
import Dispatch
import Glibc
import Testing
@testable import Broker
@testable import Files
import TestSupport

/// The socket that systemd connects to, as a file.
@Suite struct UnixSocketTests {
  @Test(arguments: [0, 0o022, 0o077] as [mode_t])
  func isNeverOpenToOthersNotEvenForAnInstant(_ mask: mode_t) async {
    // The mask belongs to the process: therefore in a process of its own.
    await #expect(processExitsWith: .success) { [mask] in
      let directory = try ConfigurationDirectory()
      umask(mask)
      let watch = inotify_init1(Int32(IN_NONBLOCK))
      try #require(watch >= 0 && inotify_add_watch(watch, directory.path, UInt32(IN_CREATE) | UInt32(IN_ATTRIB)) >= 0)
      let path = directory.path + "/credentials.sock"
      let listener = try UnixSocket.listen(at: path, inTheWay: "")
      var status = stat()
      #expect(lstat(path, &status) == 0 && status.st_mode & 0o7777 == 0o600)
      #expect(UnixSocket.path(of: listener) == path)
      // Right from the start, and not changed afterwards.
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = read(watch, &buffer, buffer.count)
      let event = buffer.withUnsafeBytes { $0.loadUnaligned(as: inotify_event.self) }
      #expect(event.mask & UInt32(IN_CREATE) != 0)
      #expect(count == MemoryLayout<inotify_event>.size + Int(event.len), "more than one event")
    }
  }

  @Test func takesThePlaceOfASocketThatIsLeftAndOfNothingElse() throws {
    let directory = try ConfigurationDirectory()
    let path = directory.path + "/credentials.sock"
    close(try UnixSocket.listen(at: path, inTheWay: ""))
    close(try UnixSocket.listen(at: path, inTheWay: ""))
    let file = try directory.write("file", "x")
    #expect(throws: PublicationFailure.self) { try UnixSocket.listen(at: file, inTheWay: "") }
    #expect(throws: PublicationFailure.self) {
      try UnixSocket.listen(at: directory.path + "/" + String(repeating: "n", count: 100), inTheWay: "")
    }
  }

  @Test func namesTheSettingOfTheSocketThatIsInTheWay() throws {
    let directory = try ConfigurationDirectory()
    let file = try directory.write("control", "x")
    let failure = #expect(throws: PublicationFailure.self) {
      _ = try ControlSocket(in: directory.path, queue: DispatchQueue(label: "control")) { _, _, _ in }
    }
    let text = failure?.description ?? ""
    #expect(text.contains(file) && !text.contains("credential_socket"), "\(text)")
  }
}
