import Base
import Engine

/// Some hosts of a fleet, and their share of the server.
///
/// Each second has a list of the hosts that wake in it, linked through the hosts. Each host is in one list at a time.
struct FleetShard {
  private struct Host {
    var engine: HostEngine
    var schedule: RefreshSchedule
    var wakeAt: BootTime
    var isStarted = false
    var restored: RestoredToken?
    /// Until when a request for a token uses the key set that was read last; `nil` if none was read.
    var keysFreshUntil: BootTime?
    /// Since when it has had no token; `nil` while it has one.
    var withoutSince: Double?
    /// The next host in the list of the same second; -1 ends it.
    var next: Int32 = -1
  }

  private let scenario: Scenario
  private let lifetime: Duration
  private let recheckInterval: Duration
  /// How many seconds before the scenario the simulation begins.
  private let warmUp: Int
  private var random: SplitMix64
  private var hosts: [Host] = []
  /// The first host of each second's list, from the warm-up on; -1 for none.
  private var first: [Int32]
  private var load: FleetLoad
  /// How many requests are answered in a second.
  private let capacity: Double
  private var answered = 0.0
  /// Since which second the server has been available.
  private var wellSince = 0.0
  /// The events of the host that is awake, and the answers to its requests.
  private var events: [HostEvent] = []
  private var answers: [(at: BootTime, event: HostEvent)] = []

  /// The start, far enough from zero for older tokens.
  private static let origin = BootTime(nanoseconds: 1_000_000_000_000_000)
  private static let issuer = ServerID(1)
  /// How long a key set is fresh for requests of tokens, if the server does not state it.
  private static let freshness = 3600.0

  init(_ fleet: Fleet, hosts count: Int, _ scenario: Scenario, seed: UInt64) {
    self.scenario = scenario
    lifetime = .seconds(fleet.lifetime)
    recheckInterval = .seconds(fleet.recheckInterval)
    random = SplitMix64(seed: seed)
    if case .running = scenario.start { warmUp = Int(fleet.warmUp.rounded(.up)) } else { warmUp = 0 }
    first = Array(repeating: -1, count: warmUp + scenario.seconds)
    let mean = fleet.rateOfOne * Double(count)
    load = FleetLoad(mean: mean, meanReadings: fleet.readingsOfOne * Double(count), seconds: scenario.seconds)
    capacity = scenario.capacity.map { $0 * mean } ?? .infinity
    hosts.reserveCapacity(count)
    for index in 0..<count {
      let schedule = fleet.schedule(jitter: Double.random(in: 0...1, using: &random))
      let engineSeed = random.next()
      let start =
        switch scenario.start {
        case .booting(let spread): Self.time(Double.random(in: 0..<spread, using: &random))
        // A daemon reads the key set soon after its start, and then once in an interval. The sum of two numbers spreads
        // the readings evenly, although the intervals are random too.
        case .running:
          Self.time(
            -0.95 * fleet.recheckInterval
              * (Double.random(in: 0..<1, using: &random) + Double.random(in: 0..<1, using: &random)))
        }
      var host = Host(engine: HostEngine(seed: engineSeed, at: Self.moment(start)), schedule: schedule, wakeAt: start)
      switch scenario.start {
      case .booting: host.withoutSince = Self.seconds(start)
      case .running:
        // In steady state, the age of a token is evenly distributed.
        let period = schedule.plan(requestedAt: Self.origin, lifetime: lifetime).refreshAt - Self.origin
        let age = period * Double.random(in: 0..<1, using: &random)
        host.restored = RestoredToken(requestedAt: start - age, lifetime: lifetime)
      }
      hosts.append(host)
      file(index)
    }
  }

  mutating func live() -> FleetLoad {
    for second in -warmUp..<scenario.seconds {
      answered = 0
      if !scenario.isServerWell(at: Double(second)) { wellSince = Double(second) + 1 }
      while first[warmUp + second] >= 0 {
        let index = Int(first[warmUp + second])
        first[warmUp + second] = hosts[index].next
        wake(index)
        file(index)
      }
    }
    let end = Double(scenario.seconds)
    for host in hosts {
      guard let since = host.withoutSince else { continue }
      load.without += 1
      noteWait(end - max(since, wellSince))
    }
    return load
  }

  /// Puts a host into the list of the second in which it wakes.
  private mutating func file(_ index: Int) {
    let second = Int(Self.seconds(hosts[index].wakeAt) + Double(warmUp))
    guard second < first.count else { return }
    hosts[index].next = first[second]
    first[second] = Int32(index)
  }

  private mutating func wake(_ index: Int) {
    let now = hosts[index].wakeAt
    guard !hosts[index].isStarted else { return run(.woke, index, at: now) }
    hosts[index].isStarted = true
    var change = HostChange(maxRequests: 1)
    var plan = TokenPlan(
      name: "token", server: Self.issuer, schedule: hosts[index].schedule, timeout: .seconds(30))
    plan.verification = .keySet
    plan.recheckInterval = recheckInterval
    change.added = [plan]
    run(.configured(change), index, at: now)
  }

  /// Handles an event and all that follows from it, until the host sleeps again.
  private mutating func run(_ event: HostEvent, _ index: Int, at now: BootTime) {
    var now = now
    events.append(event)
    while true {
      var position = 0
      while position < events.count {
        handle(events[position], index, at: now)
        position += 1
      }
      events.removeAll(keepingCapacity: true)
      handle(.idle, index, at: now)
      guard events.isEmpty else { continue }
      guard let earliest = answers.indices.min(by: { answers[$0].at < answers[$1].at }) else { return }
      let answer = answers.remove(at: earliest)
      now = max(now, answer.at)
      events.append(answer.event)
    }
  }

  private mutating func handle(_ event: HostEvent, _ index: Int, at now: BootTime) {
    for effect in hosts[index].engine.handle(event, at: Self.moment(now)) {
      switch effect {
      case .restore(let name): events.append(.restored(name, hosts[index].restored, nil))
      case .send(let name, let attempt, _, _):
        let (then, result) = request(index, at: now)
        answers.append((then, .finished(name, attempt: attempt, result)))
        if case .success = result, hosts[index].keysFreshUntil.map({ $0 <= then }) ?? true {
          // The new token is verified by a key set that is fresh.
          readKeySet(index, at: then)
        }
      case .readKeySet: readKeySet(index, at: now)
      case .work(let work, let name, let number):
        if work == .publish {
          if let since = hosts[index].withoutSince { noteWait(Self.seconds(now) - max(since, wellSince)) }
          hosts[index].withoutSince = nil
        }
        events.append(.worked(name, work: number, .done))
      case .report(.token(_, .expired)): lose(index, at: now)
      case .arm(let time): hosts[index].wakeAt = time
      default: break
      }
    }
  }

  /// Reads the key set. It is a small document that seldom changes, so that the server's capacity does not limit it. No
  /// key is withdrawn: the verdicts about held tokens change nothing, and are omitted.
  private mutating func readKeySet(_ index: Int, at now: BootTime) {
    let second = Self.seconds(now)
    if second >= 0 { load.readings[min(Int(second), scenario.seconds - 1)] += 1 }
    let then = Self.later(now, by: Double.random(in: Fleet.shortestLatency...Fleet.longestLatency, using: &random))
    guard scenario.isServerWell(at: second) else {
      return answers.append((then, .keySetRead(Self.issuer, .failure(AcquisitionFailure(.connection, "down")))))
    }
    hosts[index].keysFreshUntil = Self.later(now, by: Self.freshness)
    answers.append((then, .keySetRead(Self.issuer, .success(KeySetReading(keySet: "", freshness: nil)))))
  }

  private mutating func request(
    _ index: Int, at now: BootTime
  ) -> (BootTime, Result<ReceivedToken, AcquisitionFailure>) {
    let second = Self.seconds(now)
    // A request can come in the last second again.
    if second >= 0 { load.requests[min(Int(second), scenario.seconds - 1)] += 1 }
    let latency = Double.random(in: Fleet.shortestLatency...Fleet.longestLatency, using: &random)
    let then = Self.later(now, by: latency)
    guard scenario.isServerWell(at: second) else {
      return (then, .failure(AcquisitionFailure(.connection, "down")))
    }
    guard answered < capacity else { return (then, .failure(AcquisitionFailure(.serverError, "503"))) }
    answered += 1
    return (then, .success(ReceivedToken(requestedAt: now, lifetime: lifetime)))
  }

  /// Counts a token that expired. It had no reason to if the server was available for a minute since the refresh was
  /// due.
  private mutating func lose(_ index: Int, at now: BootTime) {
    let end = Self.seconds(now)
    load.lost += 1
    hosts[index].withoutSince = end
    let lived = (lifetime - RefreshSchedule.rounding).seconds
    let due = end - lived + hosts[index].schedule.longestWait(lifetime: lifetime)
    var well = 0.0
    var second = due
    while second < end {
      if scenario.isServerWell(at: second) { well += 1 }
      second += 1
    }
    if well >= 60 { load.lostWithoutReason += 1 }
  }

  private mutating func noteWait(_ wait: Double) {
    load.longestWait = max(load.longestWait, wait)
  }

  /// Both other clocks are right.
  private static func moment(_ time: BootTime) -> Moment {
    Moment(boot: time, unix: 1.8e9 + seconds(time), monotonic: time)
  }

  private static func time(_ seconds: Double) -> BootTime { later(origin, by: seconds) }
  /// Without `Duration`, which counts in 128 bits: this runs for each of several hundred million requests.
  private static func later(_ time: BootTime, by seconds: Double) -> BootTime {
    BootTime(nanoseconds: time.nanoseconds + Int64(seconds * 1e9))
  }
  private static func seconds(_ time: BootTime) -> Double { Double(time.nanoseconds - origin.nanoseconds) * 1e-9 }
}
