import Dispatch
import Foundation
import Testing
@testable import Files

@Suite struct DirectoryWatchTests {
  /// A replaced file makes five events or more. Events of two files can come in turn.
  @Test func eachFileThatChangedIsReported() throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let watch = try #require(DirectoryWatch(queue: DispatchQueue(label: "watch")) {})
    watch.watch(directory)
    for content in ["a", "bb"] {
      for name in ["one", "two"] {
        try Data(content.utf8).write(to: URL(filePath: "\(directory)/\(name)"))
      }
    }
    var file = PublishedFile(path: "\(directory)/three", mode: 0o600, allowsPersistentStorage: true, isGuarded: false)
    try file.replace(with: Array("c".utf8))
    let changes = watch.read()
    let paths = changes.compactMap { if case .file(let path) = $0 { path } else { nil } }
    #expect(Set(paths.filter { !$0.contains("/.") }) == Set(["one", "two", "three"].map { "\(directory)/\($0)" }))
    #expect(paths.count == 4, "the temporary file of the third, too")
    #expect(!changes.contains(.unknown))
    #expect(watch.read().isEmpty)
    try FileManager.default.removeItem(atPath: directory)
    #expect(watch.read().contains(.unknown))
  }
}
