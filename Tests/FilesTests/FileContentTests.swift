import Base
import Glibc
import Testing
@testable import Files

@Suite struct FileContentTests {
  @Test(arguments: [0, 1, 4095, 4096, 4097, 9999, 10_000])
  func readsToTheEndWhateverSizeIsExpected(size: Int) throws {
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
    try withFile(bytes) { (descriptor) throws in
      #expect(try FileContent.read(descriptor, size: size, limit: 10_000) == Secret(bytes))
      #expect(throws: FileContent.Failure.tooLarge) { try FileContent.read(descriptor, size: size, limit: 9999) }
      #expect(FileContent.ofRegularFile(descriptor, limit: 10_000) == Secret(bytes))
      #expect(FileContent.ofRegularFile(descriptor, limit: 9999) == nil)
    }
  }

  @Test func readsEmptyFilesAndThoseOfTheKernel() throws {
    try withFile([]) { (descriptor) throws in
      #expect(try FileContent.read(descriptor, size: 0, limit: 0).count == 0)
    }
    #expect(FileContent.text(of: "/proc/self/comm")?.hasSuffix("\n") == true)
  }

  @Test func refusesWhatIsNoRegularFile() {
    #expect(FileContent.text(of: "/tmp") == nil)
    #expect(FileContent.text(of: "/dev/null") == nil)
    #expect(FileContent.text(of: "/nonexistent") == nil)
    #expect(throws: FileContent.Failure.system(EBADF)) { try FileContent.read(-1, size: 0, limit: 1) }
    #expect(throws: FileContent.Failure.system(ENOSPC)) {
      let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
      defer { close(full) }
      try FileContent.write([1], to: full)
    }
  }

  private func withFile(_ bytes: [UInt8], _ body: (Int32) throws -> Void) throws {
    var template = Array("/tmp/file-content.XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    defer {
      unlink(template)
      close(descriptor)
    }
    try FileContent.write(bytes, to: descriptor)
    try body(descriptor)
  }
}
