import ArgumentParser
import HostSimulation

/// `make simulate`: whole hosts in virtual time.
@main
struct SimulateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "konexus-simulate",
    abstract: "Hosts with konexus-tokend in virtual time, with troubles of all kinds.",
    discussion: """
      It runs the daemon's own engine. Each life comes from one seed. At the first broken promise it prints the \
      promise and the seed, and exits with 1.
      """)

  @Option(help: "How many lives.")
  var lives = 100_000

  @Option(help: "The number from which the seeds of the lives follow.")
  var base: UInt64 = 1

  @Option(help: "Simulate the life of this seed alone, and print its history.")
  var seed: UInt64?

  @Option(help: "How many threads.")
  var threads = 2

  func run() async throws {
    if let seed {
      guard let violation = Simulation.replay(seed) else { return print("no promise is broken") }
      print("\nbroken: \(violation.promise)")
      throw ExitCode.failure
    }
    let (size, violation) = await Simulation.run(lives: lives, seed: base, threads: threads)
    print("\(size.lives) lives, \(size.events) events, \(size.requests) token requests")
    guard let violation else { return }
    print("broken in life \(violation.lives): \(violation)")
    throw ExitCode.failure
  }
}
