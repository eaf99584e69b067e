import Glibc
import Testing

@testable import Systemd

@Suite struct DirectoryTests {
  @Test(
    arguments: [
      ("/run/credentials/a.service", "/run/credentials/a.service"),
      ("/run/credentials/a.service//", "/run/credentials/a.service"),
      ("/", "/"),
      ("relative", nil),
      ("", nil),
      (nil, nil),
    ] as [(String?, String?)])
  func credentialsDirectory(value: String?, path: String?) {
    #expect(CredentialsDirectory(value)?.path == path)
  }

  @Test func credentialPaths() throws {
    let directory = try #require(CredentialsDirectory("/run/credentials/a.service"))
    #expect(directory.path(of: "config.toml") == "/run/credentials/a.service/config.toml")
    for name in ["", ".", "..", "../../../etc/shadow", "a/b", "a\0b", String(repeating: "x", count: 256)] {
      #expect(directory.path(of: name) == nil, "\(name)")
    }
  }

  @Test(
    arguments: [
      ("/run/a", "/run/a"),
      ("/run/a:/run/b", "/run/a"),
      ("/run/a/:/run/b", "/run/a"),
      (":/run/b", nil),
      ("run/a", nil),
      ("", nil),
      (nil, nil),
    ] as [(String?, String?)])
  func runtimeDirectory(value: String?, path: String?) {
    #expect(RuntimeDirectory(value)?.path == path)
  }

  @Test func theEnvironmentIsRead() async {
    await #expect(processExitsWith: .success) {
      unsetenv("CREDENTIALS_DIRECTORY")
      unsetenv("RUNTIME_DIRECTORY")
      #expect(CredentialsDirectory() == nil)
      #expect(RuntimeDirectory() == nil)
      setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1)
      setenv("RUNTIME_DIRECTORY", "/run/x:/run/y", 1)
      #expect(CredentialsDirectory()?.path == "/run/credentials/x")
      #expect(RuntimeDirectory()?.path == "/run/x")
    }
  }

  @Test func journalStreamIsTheVeryDescriptor() throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    var status = stat()
    try #require(fstat(ends[0], &status) == 0)
    let (device, inode) = (status.st_dev, status.st_ino)
    #expect(JournalStream.isConnected(ends[0], journalStream: "\(device):\(inode)"))
    for other in [
      nil, "", "\(device)", "\(device):", "\(device):\(inode):1", "\(device):\(inode + 1)", "\(device + 1):\(inode)",
      "-1:x",
    ] {
      #expect(!JournalStream.isConnected(ends[0], journalStream: other), "\(other ?? "unset")")
    }
    #expect(!JournalStream.isConnected(-1, journalStream: "\(device):\(inode)"))
  }
}
