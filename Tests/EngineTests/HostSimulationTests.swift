import Glibc
import HostSimulation
import Testing

/// Whole hosts in virtual time, the same ones each time. `SIMULATED_LIVES` sets how many. `make simulate` runs others,
/// and replays one.
@Suite struct HostSimulationTests {
  @Test func everyPromiseHoldsInEveryLife() async {
    let lives = getenv("SIMULATED_LIVES").flatMap { Int(String(cString: $0)) } ?? 300
    let (size, violation) = await Simulation.run(lives: lives, seed: 1, threads: 4)
    if let violation { Issue.record("\(violation)") }
    #expect(violation != nil || size.lives == lives)
    #expect(violation != nil || lives < 300 || size.requests > 10 * lives, "the lives are not empty")
  }

  /// A replay is useful only if a life is the same each time.
  @Test func aLifeFollowsFromItsSeed() async {
    let first = await Simulation.run(lives: 20, seed: 7, threads: 1).0
    let second = await Simulation.run(lives: 20, seed: 7, threads: 2).0
    #expect(first == second)
    #expect(first != (await Simulation.run(lives: 20, seed: 8, threads: 1).0))
  }
}
