import Foundation
import Synchronization
import Testing
@testable import Files

/// An attacker who replaces the file at a path at every moment of a publication.
///
/// Other users can write to the directory here, because they can control the path that leads to a real one.
@Suite("Races for a published file", .timeLimit(.minutes(2)))
struct PublicationRaceTests {
  private struct Place {
    let root: String
    var directory: String { root + "/run" }
    var file: String { directory + "/t.token" }
    /// What must not be touched: a directory with a file in it.
    var others: String { root + "/others" }
    var victim: String { others + "/t.token" }
  }

  private func withPlace(_ body: (Place) throws -> Void) throws {
    let place = Place(root: "/dev/shm/publication-race-\(UInt64.random(in: .min ... .max))")
    for directory in [place.root, place.directory, place.others] { try #require(mkdir(directory, 0o750) == 0) }
    defer { try? FileManager.default.removeItem(atPath: place.root) }
    try Data("victim".utf8).write(to: URL(fileURLWithPath: place.victim))
    try #require(chmod(place.victim, 0o604) == 0)
    try body(place)
    var status = stat()
    #expect(lstat(place.victim, &status) == 0 && status.st_mode == S_IFREG | 0o604)
    #expect(try String(contentsOfFile: place.victim, encoding: .utf8) == "victim")
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.others) == ["t.token"], "nothing was put there")
  }

  private final class Progress: Sendable {
    let isOver = Mutex(false)
    let rounds = Mutex(0)
  }

  /// Publishes and removes while another thread repeats `disturb`, until each has come about a few hundred times.
  private func race(_ place: Place, disturb: @escaping @Sendable () -> Void) throws {
    let progress = Progress()
    let ended = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      while !progress.isOver.withLock({ $0 }) {
        disturb()
        progress.rounds.withLock { $0 += 1 }
      }
      ended.signal()
    }
    var file = PublishedFile(path: place.file, mode: 0o640, allowsPersistentStorage: false)
    var published = 0
    while published < 300 || progress.rounds.withLock({ $0 }) < 300 {
      // Most are refused for what stands there, and some meet it half done: either is right.
      guard (try? Array("token".utf8).withUnsafeBytes { try file.replace(with: $0) }) != nil else { continue }
      published += 1
      if published.isMultiple(of: 10) { try? file.remove() }
    }
    progress.isOver.withLock { $0 = true }
    ended.wait()
  }

  @Test("a link to a file of others in the token's place is never written through")
  func fileForLink() throws {
    try withPlace { place in
      try race(place) {
        symlink(place.victim, place.root + "/link")
        rename(place.root + "/link", place.file)
        // A link that stays is refused each time. Only a link that appears for a moment can meet an unfinished
        // publication.
        unlink(place.file)
      }
    }
  }

  @Test("a link to a directory of others in the directory's place is never followed")
  func directoryForLink() throws {
    try withPlace { place in
      try race(place) {
        rename(place.directory, place.root + "/away")
        symlink(place.others, place.directory)
        unlink(place.directory)
        rename(place.root + "/away", place.directory)
      }
    }
  }

  @Test("a directory of others moved into its place is refused, or gets nothing that was meant for the first")
  func directoryForAnother() throws {
    try withPlace { place in
      // Others may write to it: so no token goes there.
      try #require(chmod(place.others, 0o777) == 0)
      try race(place) {
        rename(place.directory, place.root + "/away")
        rename(place.others, place.directory)
        rename(place.directory, place.others)
        rename(place.root + "/away", place.directory)
      }
    }
  }

  @Test(
    "what is planted under a temporary file's name is neither used nor followed, and is swept",
    arguments: ["link", "file", "pipe"])
  func planted(_ what: String) throws {
    try withPlace { place in
      let planted = place.directory + "/" + TemporaryName.make(for: "t.token")
      switch what {
      case "link": symlink(place.victim, planted)
      case "pipe": mkfifo(planted, 0o666)
      default: try Data("planted".utf8).write(to: URL(fileURLWithPath: planted))
      }
      var file = PublishedFile(path: place.file, mode: 0o640, allowsPersistentStorage: false)
      try Array("token".utf8).withUnsafeBytes { try file.replace(with: $0) }
      #expect(try String(contentsOfFile: place.file, encoding: .utf8) == "token")
      TemporaryName.sweep(place.directory, of: ["t.token"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: place.directory) == ["t.token"])
    }
  }
}
