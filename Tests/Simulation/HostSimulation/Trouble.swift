import Base

/// What can happen to a host. The faults of its servers are in `SimulatedIssuer`.
enum Trouble {
  // Clocks.
  case step(Int64)
  case suspend(Int64)
  /// The virtual machine stands still, and NTP steps the wall clock some time after.
  case pause(Int64, stepAfter: Int64)
  // Files.
  case forged(isNoticed: Bool)
  case deleted(isNoticed: Bool)
  /// `once`: the space that is left is enough to write some of the files once.
  case diskFull(Int64, once: Bool)
  case readOnly(Int64)
  case diskHangs(Int64)
  case eventsLost
  case secretsHang(Int64)
  case secretsBroken(Int64)
  // Requests.
  case refreshAll
  case retryFailing
  /// An exchange does not end at its limit.
  case requestHangs
  // The daemon.
  case reload
  case restart(Int64, losesFiles: Bool)
  case stop(Int64)
  // Units.
  case unitAsks(earlier: Int64)
  case unitWaitsInKernel
  case statusChanges
  // Held tokens.
  /// The server revokes a token.
  case revoked
  /// An application sends a report this many times.
  case reported(Report, times: Int)

  /// What an application reports.
  enum Report { case held, former, foreign, wish, unknownTable }

  /// One random trouble, in a life whose tokens have this lifetime.
  static func random(lifetime: Int64, _ random: inout SplitMix64) -> Trouble {
    let year = 31_536_000 * second
    let isNoticed = !random.chance(3)
    let all: [Trouble] = [
      .step(3600 * second), .step(-3600 * second), .step(year), .step(-year), .step(random.pick(2...5) * second),
      .suspend(random.draw(lifetime * 2)), .suspend(random.pick(2...20) * second),
      .pause(random.draw(lifetime * 2) + 6 * second, stepAfter: random.draw(120 * second)),
      .forged(isNoticed: isNoticed), .deleted(isNoticed: isNoticed), .deleted(isNoticed: isNoticed),
      .diskFull(random.draw(lifetime), once: random.chance(2)), .diskFull(random.draw(lifetime * 2), once: true),
      .readOnly(random.draw(lifetime)),
      .diskHangs(random.draw(lifetime)), .diskHangs(random.draw(20 * second)), .eventsLost,
      .secretsHang(random.draw(100 * second)), .secretsBroken(random.draw(lifetime)),
      .refreshAll, .refreshAll, .retryFailing, .requestHangs,
      .reload, .reload, .reload, .reload, .reload, .reload,
      .restart(random.draw(lifetime), losesFiles: false), .restart(0, losesFiles: false),
      .restart(random.draw(lifetime), losesFiles: true), .stop(random.draw(lifetime)), .stop(0),
      .unitAsks(earlier: 0), .unitAsks(earlier: 0), .unitAsks(earlier: 0), .unitAsks(earlier: random.draw(80 * second)),
      .unitWaitsInKernel, .statusChanges, .revoked, .revoked, .reported(.held, times: 1), .reported(.held, times: 1),
      .reported(random.choose([.held, .former, .foreign, .wish, .unknownTable]) ?? .held, times: 1),
    ]
    return all[Int(random.draw(Int64(all.count)))]
  }

  /// The troubles of a life, in reverse order of time.
  static func all(from start: Int64, length: Int64, lifetime: Int64, _ random: inout SplitMix64) -> [(
    at: Int64, what: Trouble
  )] {
    var troubles: [(at: Int64, what: Trouble)] = []
    for _ in 0..<random.draw(12) {
      troubles.append((start + random.draw(length), .random(lifetime: lifetime, &random)))
    }
    // Many troubles of one kind in quick succession.
    if random.chance(10) {
      let at = start + random.draw(length)
      let step = random.draw(random.chance(2) ? second / 2 : length / 50)
      let kinds: [Trouble] = [
        .refreshAll, .deleted(isNoticed: true), .forged(isNoticed: true), .reload, .unitAsks(earlier: 0), .revoked,
        .reported(.held, times: 1), .reported(.held, times: 1),
      ]
      let kind = kinds[Int(random.draw(Int64(kinds.count)))]
      for index in 0..<random.pick(5...40) { troubles.append((at + index * step, kind)) }
    }
    if random.chance(40) {
      let count = random.choose([100, 100, 100, 1000, 10_000]) ?? 100
      troubles.append((start + random.draw(length), .reported(random.chance(4) ? .wish : .held, times: count)))
    }
    // An API rejects tokens, and again after a quiet hour.
    if random.chance(40) {
      var at = start + random.draw(length)
      for quiet: Int64 in [0, 30, 30, 3600, 3] {
        at += (quiet + random.draw(3)) * second
        troubles.append((at, .reported(.held, times: 1)))
      }
    }
    // Several troubles within a second.
    if random.chance(5) {
      let at = start + random.draw(length)
      for _ in 0..<random.pick(2...5) {
        troubles.append((at + random.draw(second), .random(lifetime: lifetime, &random)))
      }
    }
    return troubles.sorted { $0.at > $1.at }
  }
}
