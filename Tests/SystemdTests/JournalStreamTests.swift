import Glibc
import Testing

@testable import Systemd

@Suite struct JournalStreamTests {
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
