import Foundation
import Testing
@testable import Files

/// Real files: on tmpfs, and where it must not be.
@Suite("A published file")
struct PublishedFileTests {
  /// A directory of the test's own; tmpfs on every Linux host.
  private func withDirectory<R>(_ body: (String) throws -> R) throws -> R {
    let path = "/dev/shm/published-file-\(UInt64.random(in: .min ... .max))"
    try #require(mkdir(path, 0o750) == 0)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
  }

  private func replace(_ file: inout PublishedFile, with text: String) throws {
    try Array(text.utf8).withUnsafeBytes { try file.replace(with: $0) }
  }

  private func mode(of path: String) -> UInt32 {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  @Test("a reader in a tight loop through thousands of replacements sees no torn, empty or missing file")
  func neverTorn() throws {
    try withDirectory { directory in
      let path = directory + "/t.token"
      var file = PublishedFile(path: path, mode: 0o640, allowsPersistentStorage: false)
      // Of different lengths, each of one character only: a mixture or a part of one shows.
      func content(_ round: Int) -> String {
        String(repeating: Character(UnicodeScalar(UInt8(97 + round % 26))), count: 500 + 97 * (round % 26))
      }
      try replace(&file, with: content(0))
      let stop = directory + "/stop"
      let reader = Process()
      reader.executableURL = URL(fileURLWithPath: "/bin/sh")
      reader.arguments = [
        "-c",
        #"n=0; until [ -e "$2" ]; do c=$(cat "$1") || { echo missing; exit 1; }; l=${#c}; "#
          + #"[ "$l" -ge 500 ] || { echo "short: $l"; exit 1; }; "#
          + #"f=${c%"${c#?}"}; r=$(printf %s "$c" | tr -d "$f"); [ -z "$r" ] || { echo torn; exit 1; }; "#
          + #"n=$((n+1)); done; echo "$n""#,
        "reader", path, stop,
      ]
      let output = Pipe()
      reader.standardOutput = output
      try reader.run()
      for round in 1...8000 {
        try replace(&file, with: content(round))
        // The same in this process, whose reads are far denser.
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(data.count == content(round).utf8.count)
      }
      try Data().write(to: URL(fileURLWithPath: stop))
      reader.waitUntilExit()
      let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      #expect(reader.terminationStatus == 0, "\(said)")
      #expect(Int(said.filter(\.isNumber)) ?? 0 > 0, "the reader must have read: \(said)")
    }
  }

  @Test("a run that was killed between write and rename leaves the old file; its temporary one is swept")
  func sweptAfterKill() throws {
    try withDirectory { directory in
      let path = directory + "/t.token"
      var file = PublishedFile(path: path, mode: 0o640, allowsPersistentStorage: false)
      try replace(&file, with: "old")
      // A killed process leaves a temporary file that was not renamed. The other files are not the daemon's.
      let left = directory + "/" + TemporaryName.make(for: "t.token")
      let others = [directory + "/.x.token.tmp-1", directory + "/t.token.tmp-1", directory + "/other"]
      for name in [left] + others { try Data("half".utf8).write(to: URL(fileURLWithPath: name)) }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
      TemporaryName.sweep(directory, of: ["t.token"])
      #expect(access(left, F_OK) != 0)
      for other in others { #expect(access(other, F_OK) == 0) }
    }
  }

  @Test("the mode is set whatever the umask, at each replacement", arguments: [0o640, 0o600, 0o644, 0o440] as [UInt32])
  func modes(_ wanted: UInt32) throws {
    try withDirectory { directory in
      let path = directory + "/t.token"
      var file = PublishedFile(path: path, mode: wanted, allowsPersistentStorage: false)
      try replace(&file, with: "one")
      #expect(mode(of: path) == wanted)
      chmod(path, 0o666)
      #expect(!file.isIntact)
      try replace(&file, with: "two")
      #expect(mode(of: path) == wanted && file.isIntact)
    }
  }

  @Test(
    "unfit places are refused, with what to do",
    arguments: ["disk", "missing", "open", "shared", "link", "directory", "linked directory"])
  func unfit(_ fault: String) throws {
    try withDirectory { directory in
      var path = directory + "/t.token"
      var remedy = ""
      switch fault {
      case "disk":
        // No tmpfs anywhere, and always there.
        path = "/proc/sys/t.token"
        remedy = "is not on tmpfs"
      case "missing":
        path = directory + "/none/t.token"
        remedy = "install -d -m 0750"
      case "open":
        chmod(directory, 0o777)
        remedy = "chmod go-w"
      case "shared":
        // As /tmp is: chmod(1) would break other programs.
        chmod(directory, 0o1777)
        remedy = "use a directory below /run"
      case "link":
        symlink("/etc/passwd", path)
        remedy = "is a symbolic link"
      case "directory":
        mkdir(path, 0o700)
        remedy = "is a directory"
      default:
        symlink(directory, directory + "/link")
        path = directory + "/link/t.token"
        remedy = "symbolic link"
      }
      var file = PublishedFile(path: path, mode: 0o640, allowsPersistentStorage: false)
      let failure = #expect(throws: PublicationFailure.self) {
        try Array("x".utf8).withUnsafeBytes { try file.replace(with: $0) }
      }
      #expect(failure?.description.contains(remedy) == true, "\(failure?.description ?? "")")
      #expect(throws: PublicationFailure.self) { try file.prepare() }
      if fault != "disk", fault != "missing" {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(!names.contains { $0.contains(".tmp-") }, "nothing is left behind: \(names)")
      }
    }
  }

  @Test("a removed file is gone, and removing what is not there is no fault")
  func removal() throws {
    try withDirectory { directory in
      let path = directory + "/t.token"
      var file = PublishedFile(path: path, mode: 0o640, allowsPersistentStorage: false)
      try replace(&file, with: "x")
      try file.remove()
      #expect(access(path, F_OK) != 0)
      try file.remove()
    }
  }
}
