import Base
import Engine
import FoundationEssentials
import Glibc
import Settings
import TestSupport
import Testing

@testable import Broker

/// The work on files for the engine, without a daemon.
@Suite struct TokenPublisherTests {
  /// A directory in memory with one token's file.
  private final class Place {
    let directory = "/dev/shm/publisher-\(UInt64.random(in: .min ... .max))"
    var path: String { "\(directory)/\(BrokerParts.name).token" }

    init() { mkdir(directory, 0o750) }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    var content: String? {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return nil }
      defer { close(descriptor) }
      var bytes = [UInt8](repeating: 0, count: 100)
      let count = read(descriptor, &bytes, bytes.count)
      return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
  }

  /// A token that has come, and that the engine publishes.
  @BrokerActor private func parts(in place: Place) async throws -> BrokerParts {
    let parts = try BrokerParts(BrokerParts.settings(.opaque(), in: place.directory))
    try await parts.take()
    #expect(parts.work?.kind == .publish && place.content == nil)
    return parts
  }

  @BrokerActor private func perform(_ parts: BrokerParts) throws {
    let (kind, number) = try #require(parts.work)
    parts.publisher.perform(kind, BrokerParts.name, number)
  }

  @Test @BrokerActor func theNewestTokenIsWrittenAndThatIsAnEvent() async throws {
    let place = Place()
    let parts = try await parts(in: place)
    try perform(parts)
    #expect(place.content == "token-1" && parts.lifecycle?.published != nil)
    #expect(parts.effects.contains { if case .notifyApplication = $0 { true } else { false } })
  }

  @Test @BrokerActor func aFileThatCannotBeWrittenIsAnEvent() async throws {
    let place = Place()
    let parts = try await parts(in: place)
    rmdir(place.directory)
    try perform(parts)
    guard case .failing(let reason, 1, _)? = parts.lifecycle?.publication else {
      Issue.record("the publication is \(String(describing: parts.lifecycle?.publication))")
      return
    }
    #expect(reason.contains(place.directory) && parts.lifecycle?.published == nil)
  }

  @Test @BrokerActor func onlyAModificationInMemoryIsAnEvent() async throws {
    let place = Place()
    let parts = try await parts(in: place)
    try perform(parts)
    let count = parts.effects.count
    parts.publisher.perform(.examine, BrokerParts.name, 0)
    #expect(parts.effects.count == count, "nothing was modified")
    unlink(place.path)
    parts.publisher.perform(.examine, BrokerParts.name, 0)
    #expect(parts.work?.kind == .publish && parts.effects.count > count)
    try perform(parts)
    #expect(place.content == "token-1")
  }

  @Test @BrokerActor func atAStopAModifiedFileIsWrittenOnceMore() async throws {
    let place = Place()
    let parts = try await parts(in: place)
    try perform(parts)
    unlink(place.path)
    parts.publisher.restore(BrokerParts.name)
    #expect(place.content == "token-1")
  }

  @Test @BrokerActor func theFilesOfATokenThatIsNotManagedAreRemoved() async throws {
    let place = Place()
    let parts = try await parts(in: place)
    try perform(parts)
    let token = try #require(parts.tokens.remove(BrokerParts.name))
    await parts.publisher.removeFiles(of: token)
    #expect(place.content == nil)
    // Late work finds no token.
    parts.publisher.perform(.publish, BrokerParts.name, 100)
    #expect(place.content == nil)
  }
}
