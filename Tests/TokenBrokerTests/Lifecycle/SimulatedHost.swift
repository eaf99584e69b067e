import OAuthClient

@testable import TokenBroker

/// A host with a token in virtual time: the three clocks, the two Dispatch timers as `DeadlineTimer` arms them, a file, a server with
/// outages, and a random life made of all that goes wrong. Breaking a promise is thrown.
struct SimulatedHost {
  struct BrokenPromise: Error, CustomStringConvertible {
    var description: String
  }

  enum Trouble {
    case step(Int64), suspend(Int64), disturbed, diskFull(Int64), refresh, settingsChanged, restart(Int64)
  }
  enum Server { case well, down, refusing, busy(Duration), erratic }

  private var random: SplitMix64
  // CLOCK_BOOTTIME, CLOCK_MONOTONIC and CLOCK_REALTIME, in nanoseconds.
  private(set) var boot: Int64 = 1_000_000_000_000
  private var mono: Int64 = 900_000_000_000
  private var wall: Int64 = 1_800_000_000_000_000_000
  private var reading: (boot: Int64, mono: Int64, wall: Int64)
  private var monoTimer = Int64.max
  private var wallTimer = Int64.max
  private let beat: Int64?
  private var nextBeat = Int64.max

  private(set) var lifecycle: TokenLifecycle
  private let schedule: RefreshSchedule
  private(set) var file: HeldToken?
  /// When the issuer's turn comes; on the monotonic clock, as all that the process itself does.
  private var turn: Int64?
  private var request: (sentAt: Int64, endsAt: Int64)?
  private var lastRequest: Int64?
  private var diskFullUntil: Int64 = 0
  private var lastDiskFull: Int64 = 0
  /// Until then the last token, restart, or resume: from there on the daemon had its chance.
  private var lastChange: Int64
  private var wasRefused = false
  private var isStepUnseen = false

  private let lifetime: Int64
  private let latency: Int64
  private let timeout: Int64
  private var server: [(until: Int64, state: Server)] = []
  private var troubles: [(at: Int64, what: Trouble)] = []
  private let end: Int64
  private(set) var handled = 0
  private(set) var requests = 0

  static let second: Int64 = 1_000_000_000

  init(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    func pick(_ range: ClosedRange<Int64>) -> Int64 {
      range.lowerBound + Int64(random.next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
    let second = Self.second
    lifetime = [3, 10, 60, 300, 3600, 36000][Int(pick(0...5))] * second + pick(0...second)
    latency = min(pick(1...2000) * 1_000_000, lifetime / 60)
    timeout = max(latency, min(30 * second, lifetime / 20))
    beat = pick(0...1) == 0 ? 15 * second : nil
    schedule = RefreshSchedule(fraction: Double(pick(10...90)) / 100, jitter: Double(pick(0...100)) / 100)
    lifecycle = TokenLifecycle(seed: random.next())
    reading = (boot, mono, wall)
    lastChange = boot
    end = boot + lifetime * 3
    var time = boot
    while time < end {
      time += pick(0...lifetime * 2)
      server.append((time, .well))
      time += pick(0...lifetime * 3 / 2)
      let states: [Server] = [.down, .down, .refusing, .busy(.seconds(pick(0...1000))), .erratic]
      server.append((time, states[Int(pick(0...4))]))
    }
    let year = 31_536_000 * second
    for _ in 0..<pick(0...4) {
      let all: [Trouble] = [
        .step(3600 * second), .step(-3600 * second), .step(year), .step(-year), .suspend(pick(0...lifetime * 2)),
        .suspend(pick(2...20) * second), .disturbed, .disturbed, .diskFull(pick(0...lifetime)), .refresh, .refresh,
        .settingsChanged, .restart(pick(0...lifetime)), .restart(0),
      ]
      troubles.append((boot + pick(0...lifetime * 3), all[Int(pick(0...Int64(all.count - 1)))]))
    }
    // Impatient people.
    if pick(0...19) == 0 {
      let at = boot + pick(0...lifetime * 2)
      for index in 0..<40 {
        troubles.append((at + Int64(index) * second / 10, pick(0...1) == 0 ? .refresh : .disturbed))
      }
    }
    troubles.sort { $0.at > $1.at }
    self.random = random
  }

  /// Lives through the whole schedule, and then until all is well again.
  mutating func live() throws {
    try handle(.started(adopted: nil))
    if let beat { nextBeat = mono + beat }
    try run(until: end) { _ in false }
    server = []
    troubles = []
    diskFullUntil = 0
    lastChange = boot
    let wellSince = boot
    // Without a token 60 s at the most, with one 1000 s, after a refusal 330 s; and an attempt that began before.
    let bound = boot + 1100 * Self.second + timeout * 2
    try run(until: bound) { $0.isWell }
    try require(isWell, "no fresh token \((boot - wellSince) / Self.second) s after the server was well: \(lifecycle)")
  }

  private var isWell: Bool {
    lifecycle.trouble == nil && lifecycle.held != nil && file == lifecycle.held && lifecycle.visible == file
      && lifecycle.publication == .settled
  }

  /// For a replay: what happens is printed.
  var isTold = false

  // MARK: Time

  private mutating func run(until horizon: Int64, stop: (Self) -> Bool) throws {
    while true {
      let next = boot + max(0, min(soonest, (troubles.last?.at ?? .max) - boot))
      if next > boot { try look() }
      if next >= horizon || stop(self) { return }
      let passed = next - boot
      boot += passed
      mono += passed
      wall += passed
      try happen()
    }
  }

  /// How long until one of the process's own times comes.
  private var soonest: Int64 {
    var wait = min(monoTimer == .max ? .max : monoTimer - mono, wallTimer == .max ? .max : wallTimer - wall)
    if let turn { wait = min(wait, turn - mono) }
    if let request { wait = min(wait, request.endsAt - mono) }
    return min(wait, nextBeat == .max ? .max : nextBeat - mono)
  }

  private mutating func happen() throws {
    if let trouble = troubles.last, trouble.at <= boot {
      troubles.removeLast()
      return try meet(trouble.what)
    }
    if let turn, turn <= mono {
      self.turn = nil
      return try send()
    }
    if let request, request.endsAt <= mono {
      self.request = nil
      return try finish(sentAt: request.sentAt)
    }
    let hasFired = monoTimer <= mono || wallTimer <= wall
    if monoTimer <= mono { monoTimer = .max }
    if wallTimer <= wall { wallTimer = .max }
    if nextBeat <= mono, let beat { nextBeat = mono + beat }
    try compareClocks()
    if hasFired { try handle(.woke) }
  }

  /// As the broker does it.
  private mutating func compareClocks() throws {
    let passed = boot - reading.boot
    let sleep = passed - (mono - reading.mono)
    let step = wall - reading.wall - passed
    reading = (boot, mono, wall)
    defer { isStepUnseen = false }
    guard abs(step) > Self.second || sleep > Self.second else { return }
    try handle(sleep > Self.second ? .resumed : .woke)
  }

  private mutating func meet(_ trouble: Trouble) throws {
    switch trouble {
    case .step(let step):
      wall += step
      if step < 0 { isStepUnseen = true }
    case .suspend(let length):
      boot += length
      wall += length
      lastChange = boot
    case .disturbed:
      if lifecycle.visible != nil { try handle(.disturbed) }
    case .diskFull(let length): diskFullUntil = boot + length
    case .refresh: try handle(.refresh)
    case .settingsChanged:
      request = nil
      turn = nil
      try handle(.settingsChanged)
    case .restart(let length):
      boot += length
      mono += length
      wall += length
      request = nil
      turn = nil
      (monoTimer, wallTimer) = (.max, .max)
      reading = (boot, mono, wall)
      isStepUnseen = false
      lastRequest = nil
      lastChange = boot
      lifecycle = TokenLifecycle(seed: random.next())
      if let beat { nextBeat = mono + beat }
      if chance(4) { file = nil }
      try handle(.started(adopted: file))
    }
  }

  // MARK: The daemon's shell

  private mutating func handle(_ event: LifecycleEvent) throws {
    handled += 1
    let now = BootTime(nanoseconds: boot)
    let effects = lifecycle.handle(event, at: now)
    if isTold { print(Double(boot) / 1e9, event, "->", effects) }
    var isArmed = false
    for effect in effects {
      switch effect {
      case .request:
        request = nil
        // Now and then a turn is long in coming.
        turn = mono + (chance(20) ? draw(timeout) : 0)
      case .publish: try publish()
      case .withdraw:
        file = nil
        try handle(.withdrawn)
      case .arm(let time):
        isArmed = true
        try require(time > now, "armed for the past after \(event)")
        let wait = (lifecycle.nextWake(after: now) ?? now).nanoseconds - boot + 50_000
        try require(wait < .max, "nothing armed after \(event)")
        monoTimer = mono + min(wait, 86_400 * Self.second)
        wallTimer = wall + min(wait, 86_400 * Self.second)
      case .report(let report): try hear(report)
      }
    }
    try require(isArmed && lifecycle.deadline != nil, "no timer after \(event) in \(lifecycle.phase)")
    if let held = lifecycle.held { try require(held.expiresAt > now, "holds an ended token after \(event)") }
    if lifecycle.visible != nil { try require(lifecycle.held != nil, "shows a token that it does not hold") }
    if case .requesting = lifecycle.phase {
    } else {
      try require(lifecycle.deadline.map { $0 > now } ?? false, "a deadline in the past after \(event)")
    }
  }

  private mutating func publish() throws {
    if boot < diskFullUntil {
      lastDiskFull = boot
      // One file of several may have got it.
      if chance(2) { file = lifecycle.held }
      try handle(.publicationFailed("full"))
    } else {
      file = lifecycle.held
      try handle(.published)
    }
  }

  private mutating func send() throws {
    requests += 1
    if let lastRequest { try require(boot - lastRequest >= Self.second, "two requests within a second") }
    lastRequest = boot
    let took: Int64 =
      if case .well = state { latency } else { chance(2) ? timeout : draw(timeout) }
    request = (boot, mono + took)
    try handle(.began(limit: BootTime(nanoseconds: boot + timeout * 2 + 5 * Self.second)))
  }

  private mutating func finish(sentAt: Int64) throws {
    switch state {
    case .well: try deliver(sentAt)
    case .down: try fail(AcquisitionFailure(.connection, "down"))
    case .refusing:
      wasRefused = true
      try fail(AcquisitionFailure(.invalidClient, "refused"))
    case .busy(let wait): try fail(AcquisitionFailure(.tooManyRequests, "busy", retryAfter: wait))
    case .erratic:
      switch draw(3) {
      case 0: try deliver(sentAt)
      case 1: try fail(AcquisitionFailure(.serverError, "503", retryAfter: .seconds(draw(400))))
      default:
        wasRefused = true
        try fail(AcquisitionFailure(.oauthError, "no"))
      }
    }
  }

  private mutating func deliver(_ sentAt: Int64) throws {
    let life = max(3 * Self.second, lifetime - draw(lifetime / 2))
    let token = schedule.plan(requestedAt: BootTime(nanoseconds: sentAt), lifetime: .nanoseconds(life))
    try handle(.acquired(token))
    if lifecycle.held == token {
      lastChange = boot
      wasRefused = false
    }
  }

  /// Checks the pace against its own arithmetic.
  private mutating func fail(_ failure: AcquisitionFailure) throws {
    try handle(.failed(failure))
    guard case .waiting(let until) = lifecycle.phase else {
      throw BrokenPromise(description: "no pause after a failure")
    }
    let wait = Double(until.nanoseconds - boot) / 1e9
    let left = lifecycle.held.map { Double($0.expiresAt.nanoseconds - boot) / 1e9 }
    let count = lifecycle.trouble?.count ?? 0
    var longest = left.map { $0 > 120 ? max(60, $0 * 0.75 - 90) : max(1, $0 / 2) } ?? 60
    if failure.kind == .refused { longest = 330 }
    if failure.kind == .transient {
      longest = min(longest, left == nil ? 60 : 1000)
      if count <= 1 { longest = 1 }
      let asked = min(failure.retryAfter?.seconds ?? 0, 300) * 1.1
      longest = max(longest, left.map { min(asked, max(1, $0 * 0.75)) } ?? asked)
    }
    try require(
      wait <= longest + 1e-6, "waits \(wait) s after failure \(count), not \(longest), with \(left ?? 0) s left")
    try require(wait >= (failure.kind == .refused ? 54 : 0.249), "waits \(wait) s only after \(failure.code)")
  }

  // MARK: Promises

  /// What a reader finds between two instants.
  private func look() throws {
    // Set back and then suspended with nobody to notice: neither of Dispatch's clocks tells it before the next beat.
    guard let file, !isStepUnseen else { return }
    // DeadlineTimer rounds up by so much.
    let overdue = boot - file.expiresAt.nanoseconds
    try require(overdue < 50_000, "a reader sees a token that ended \(overdue) ns ago")
  }

  /// A token ended without a successor: could it have had one?
  private mutating func hear(_ report: LifecycleReport) throws {
    guard case .expired = report, !isStepUnseen else { return }
    if case .well = state {} else { return }
    let wellSince = server.reduce(Int64.min) { last, part in part.until <= boot ? part.until : last }
    let chanceSince = max(wellSince, lastChange, lastDiskFull + 11 * Self.second)
    var enough = (timeout * 2 + latency) * 4 + 8 * Self.second
    if wasRefused { enough += 340 * Self.second }
    try require(
      boot - chanceSince <= enough,
      "a reader lacks a token \((boot - chanceSince) / Self.second) s after the server was well")
  }

  private var state: Server { server.first { $0.until > boot }?.state ?? .well }

  private func require(_ condition: Bool, _ promise: @autoclosure () -> String) throws {
    if !condition { throw BrokenPromise(description: promise()) }
  }

  private mutating func draw(_ bound: Int64) -> Int64 { Int64(random.next() % UInt64(max(1, bound))) }
  private mutating func chance(_ oneIn: Int64) -> Bool { draw(oneIn) == 0 }
}
