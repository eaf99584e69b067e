import Base
import Engine
import Files
import Foundation
import Glibc
import Publication
import Settings
import TestSupport
import Testing

@testable import Broker

/// State files with numbers that no daemon writes. The daemon's user can write them.
@Suite struct ForgedStateTests {
  private static let numbers = [
    "1e300", "-1e300", "1e18", "-1e18", "9223372036854775807", "-9223372036854775808", "-1", "0", "1e13", "0.5",
  ]

  private static let queue = DispatchQueue(label: "forged-state")

  /// `Duration` traps if a number is too large, and arithmetic traps if it overflows.
  @Test("whatever number stands in whatever member, the next run starts", arguments: [true, false])
  @BrokerActor func numbers(isOfThisBoot: Bool) async throws {
    let directory = "/dev/shm/forged-state-\(UInt64.random(in: .min ... .max))"
    mkdir(directory, 0o750)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let settings = BrokerParts.settings(try .opaque(), in: directory)
    let parts = try BrokerParts(settings)
    try await parts.take()
    let (kind, number) = try #require(parts.work)
    parts.publisher.perform(kind, BrokerParts.name, number)
    let output = settings.outputs[0].path
    let token = try String(contentsOfFile: output, encoding: .utf8)
    var state = try String(contentsOfFile: settings.statePath, encoding: .utf8)
    if !isOfThisBoot { state.replace(BootID.current, with: "11111111-2222-3333-4444-555555555555") }

    // Also those of the context, which is JSON within JSON.
    let places = state.matches(of: #/[:,\[](-?[0-9.e+]+)(?=[,}\]])/#).map {
      $0.output.1.startIndex..<$0.output.1.endIndex
    }
    #expect(places.count >= 6, "\(state)")
    var restored = 0
    for place in places {
      for number in Self.numbers {
        try write(token, to: output)
        try write(state.replacingCharacters(in: place, with: number), to: settings.statePath)
        let leftovers = try TokenRestoration.Leftovers(of: settings)
        _ = LeftoverWatch(directory, queue: Self.queue)
        guard let found = try? await TokenRestoration.verify(leftovers, for: settings, now: .now()) else { continue }
        restored += 1
        let other = try BrokerParts(settings)
        let verified = found.verifiedToken
        await other.sender.server(of: try #require(other.token)).adopt(verified.context)
        other.loop.post(
          .restored(
            BrokerParts.name, RestoredToken(requestedAt: verified.requestedAt.boot, lifetime: verified.lifetime), nil))
      }
    }
    #expect((restored > 0) == isOfThisBoot)
  }

  private func write(_ text: String, to path: String) throws {
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    chmod(path, 0o600)
  }
}
