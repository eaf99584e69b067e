import Foundation
import Base
import Testing

@testable import Broker

@Suite struct StoredConfigurationTests {
  private static let text = "[token.konexus]\n"

  @Test("what is stored is read again, and cannot be changed")
  func sealed() throws {
    let stored = try #require(StoredConfiguration(Secret(Self.text)))
    #expect(write(stored.descriptor, "x", 1) == -1 && errno == EPERM)
    #expect(ftruncate(stored.descriptor, 0) == -1 && errno == EPERM)
    #expect(StoredConfiguration(takingOver: dup(stored.descriptor)).text == Secret(Self.text))
  }

  @Test("each process has a file of its own: the pages of the former one count for a process that has ended")
  func copied() throws {
    let former = try #require(StoredConfiguration(Secret(Self.text)))
    let next = try #require(former.text.flatMap(StoredConfiguration.init))
    func inode(_ stored: StoredConfiguration) -> UInt64 {
      var status = stat()
      return fstat(stored.descriptor, &status) == 0 ? UInt64(status.st_ino) : 0
    }
    #expect(inode(former) != inode(next) && next.text == former.text)
  }

  @Test("a file that is not sealed is not used, as another process can have changed it")
  func unsealed() throws {
    let path = "/dev/shm/stored-\(UInt64.random(in: .min ... .max))"
    try "konexus-tokend configuration 1\n\(Self.text)".write(toFile: path, atomically: true, encoding: .utf8)
    defer { unlink(path) }
    #expect(StoredConfiguration(takingOver: open(path, O_RDONLY | O_CLOEXEC)).text == nil)
  }
}
