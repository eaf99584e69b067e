import Glibc
import Testing

/// Random lives, each from its seed. `PROPERTY_RUNS` sets how many. `SEED` replays one and prints it.
@Suite struct LifecyclePropertyTests {
  @Test func everyPromiseHoldsInEveryLife() async {
    if let seed = Self.number("SEED") {
      if let failure = Self.live(UInt64(bitPattern: Int64(seed)), isPrinted: true) { Issue.record("\(failure)") }
      return
    }
    let runs = Self.number("PROPERTY_RUNS") ?? 100_000
    let base = UInt64.random(in: .min ... .max)
    let workers = 4
    let failures = await withTaskGroup(of: [String].self) { group in
      for worker in 0..<workers {
        group.addTask {
          var failures: [String] = []
          for run in stride(from: worker, to: runs, by: workers) where failures.count < 3 {
            if let failure = Self.live(base &+ UInt64(run)) { failures.append(failure) }
          }
          return failures
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    for failure in failures.prefix(5) { Issue.record("\(failure)") }
  }

  private static func live(_ seed: UInt64, isPrinted: Bool = false) -> String? {
    var host = SimulatedHost(seed: seed)
    host.isPrinted = isPrinted
    do {
      try host.live()
      return nil
    } catch {
      return "\(error); replay it with SEED=\(Int64(bitPattern: seed))"
    }
  }

  private static func number(_ name: String) -> Int? {
    getenv(name).flatMap { Int(String(cString: $0)) }
  }
}
