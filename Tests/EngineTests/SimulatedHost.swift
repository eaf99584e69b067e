@testable import Base
@testable import Engine

/// A host with a token in virtual time: the three clocks, the two Dispatch timers as `DeadlineTimer` arms them, a file,
/// a server with outages, and random faults. A broken promise is thrown.
struct SimulatedHost {
  struct BrokenPromise: Error, CustomStringConvertible {
    var description: String
  }

  enum Fault {
    case step(Int64), suspend(Int64), modifiedExternally, tampered, diskFull(Int64), refresh, settingsChanged, restart(
      Int64)
  }

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
  /// The token that an application finds.
  private(set) var file: TokenTimes?
  /// When the request leaves the queue, on the monotonic clock as everything that the process does itself.
  private var turn: Int64?
  private var request: (sentAt: Int64, endsAt: Int64)?
  private var lastRequest: Int64?
  private var diskFullUntil: Int64 = 0
  private var lastDiskFull: Int64 = 0
  /// The time of the last token, restart or resume: since then the daemon could act.
  private var lastChange: Int64
  private var wasRefused = false
  private var wasAskedToWait = false
  private var isStepUnseen = false
  /// The newest token that the lifecycle received.
  private var newest: TokenTimes?
  /// Until then an application must have a token: the expiry of the newest one that was published.
  private var promisedUntil = Int64.min
  /// Since then the file holds a token that another process wrote.
  private var tamperedSince: Int64?

  private let latency: Int64
  private let timeout: Int64
  private var server: SimulatedServer
  private var faults: [(at: Int64, what: Fault)] = []
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
    let lifetime = [3, 10, 60, 300, 3600, 36000][Int(pick(0...5))] * second + pick(0...second)
    latency = min(pick(1...2000) * 1_000_000, lifetime / 60)
    timeout = max(latency, min(30 * second, lifetime / 20))
    beat = pick(0...1) == 0 ? 15 * second : nil
    let schedule = RefreshSchedule(fraction: Double(pick(10...90)) / 100, jitter: Double(pick(0...100)) / 100)
    lifecycle = TokenLifecycle(seed: random.next())
    reading = (boot, mono, wall)
    lastChange = boot
    end = boot + lifetime * 3
    server = SimulatedServer(lifetime: lifetime, schedule: schedule, from: boot, until: end, random: &random)
    let year = 31_536_000 * second
    for _ in 0..<pick(0...4) {
      let all: [Fault] = [
        .step(3600 * second), .step(-3600 * second), .step(year), .step(-year), .suspend(pick(0...lifetime * 2)),
        .suspend(pick(2...20) * second), .modifiedExternally, .tampered, .diskFull(pick(0...lifetime)), .refresh,
        .refresh,
        .settingsChanged, .restart(pick(0...lifetime)), .restart(0),
      ]
      faults.append((boot + pick(0...lifetime * 3), all[Int(pick(0...Int64(all.count - 1)))]))
    }
    // Refreshes and modifications in quick succession.
    if pick(0...19) == 0 {
      let at = boot + pick(0...lifetime * 2)
      for index in 0..<40 {
        faults.append((at + Int64(index) * second / 10, pick(0...1) == 0 ? .refresh : .modifiedExternally))
      }
    }
    faults.sort { $0.at > $1.at }
    self.random = random
  }

  /// Runs the whole schedule, and then until the host has recovered.
  mutating func live() throws {
    try handle(.started(restored: nil))
    if let beat { nextBeat = mono + beat }
    try run(until: end) { _ in false }
    server.recover()
    faults = []
    diskFullUntil = 0
    lastChange = boot
    let wellSince = boot
    // At most 60 s without a token, 1000 s with one, 330 s after a rejection; and an attempt that began before.
    let bound = boot + 1100 * Self.second + timeout * 2
    try run(until: bound) { $0.isWell }
    try require(isWell, "no fresh token \((boot - wellSince) / Self.second) s after the server was well: \(lifecycle)")
  }

  private var isWell: Bool {
    lifecycle.failureStreak == nil && lifecycle.newest != nil && file == lifecycle.newest && lifecycle.published == file
      && lifecycle.publication == .settled
  }

  /// The server's last valid response that has arrived.
  private var lastHeard: (sentAt: Int64, halfLife: Int64)?

  /// Whether events and effects are printed, for a replay.
  var isPrinted = false

  // MARK: Time

  private mutating func run(until horizon: Int64, stop: (Self) -> Bool) throws {
    while true {
      let next = boot + max(0, min(soonest, (faults.last?.at ?? .max) - boot))
      if next > boot { try look(until: next) }
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
    if let fault = faults.last, fault.at <= boot {
      faults.removeLast()
      return try meet(fault.what)
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
    // From here on the daemon knows of the step.
    if isStepUnseen { lastChange = boot }
    defer { isStepUnseen = false }
    guard abs(step) > Self.second || sleep > Self.second else { return }
    try handle(sleep > Self.second ? .resumed : .woke)
  }

  private mutating func meet(_ fault: Fault) throws {
    switch fault {
    case .step(let step):
      wall += step
      if step < 0 { isStepUnseen = true }
    case .suspend(let length):
      boot += length
      wall += length
      lastChange = boot
    case .modifiedExternally:
      if lifecycle.published != nil { try handle(.modifiedExternally) }
    case .tampered:
      guard lifecycle.published != nil, let newest = file else { return }
      // With a later expiry than the real one.
      file = TokenTimes(
        requestedAt: newest.requestedAt, refreshAt: newest.refreshAt, expiresAt: newest.expiresAt + .seconds(86_400))
      tamperedSince = tamperedSince ?? boot
      try handle(.modifiedExternally)
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
      if chance(4) {
        file = nil
        promisedUntil = .min
      }
      // As in `TokenRestoration`: a token that does not verify is removed.
      if let left = file, !server.issued.contains(left) {
        file = nil
        promisedUntil = .min
      }
      tamperedSince = nil
      newest = file
      try handle(.started(restored: file))
    }
  }

  // MARK: The daemon's shell

  private mutating func handle(_ event: LifecycleEvent) throws {
    handled += 1
    let now = BootTime(nanoseconds: boot)
    let effects = lifecycle.handle(event, at: now)
    if isPrinted { print(Double(boot) / 1e9, event, "->", effects) }
    var isArmed = false
    for effect in effects {
      switch effect {
      case .request:
        request = nil
        // Sometimes the queue is long.
        turn = mono + (chance(20) ? draw(timeout) : 0)
      case .publish: try publish()
      case .unpublish:
        file = nil
        tamperedSince = nil
        try handle(.unpublished)
      case .report(let report): try hear(report)
      }
    }
    if let time = lifecycle.nextWake(after: now) {
      isArmed = true
      try require(time > now, "armed for the past after \(event)")
      let wait = time.nanoseconds - boot + 50_000
      try require(wait < .max, "nothing armed after \(event)")
      monoTimer = mono + min(wait, 86_400 * Self.second)
      wallTimer = wall + min(wait, 86_400 * Self.second)
    }
    try require(isArmed && lifecycle.deadline != nil, "no timer after \(event) in \(lifecycle.phase)")
    if let newest = lifecycle.newest {
      try require(newest.expiresAt > now, "holds an ended token after \(event)")
      try require(server.issued.contains(newest), "holds a token that does not verify after \(event)")
    }
    if lifecycle.published != nil { try require(lifecycle.newest != nil, "shows a token that it does not hold") }
    if case .requesting = lifecycle.phase {
    } else {
      try require(lifecycle.deadline.map { $0 > now } ?? false, "a deadline in the past after \(event)")
    }
  }

  private mutating func publish() throws {
    if boot < diskFullUntil {
      lastDiskFull = boot
      // One of several files may hold it.
      if chance(2) {
        file = lifecycle.newest
        tamperedSince = nil
      }
      // One of several files may hold a token that expires earlier. Then all files are removed.
      promisedUntil = min(promisedUntil, lifecycle.newest?.expiresAt.nanoseconds ?? .max)
      try handle(.publicationFailed("full"))
    } else {
      file = lifecycle.newest
      tamperedSince = nil
      promisedUntil = lifecycle.newest?.expiresAt.nanoseconds ?? .min
      try handle(.published)
    }
  }

  private mutating func send() throws {
    requests += 1
    if let lastRequest { try require(boot - lastRequest >= Self.second, "two requests within a second") }
    lastRequest = boot
    let took: Int64 =
      if case .well = server.state(at: boot) { latency } else { chance(2) ? timeout : draw(timeout) }
    request = (boot, mono + took)
    try handle(.began(limit: BootTime(nanoseconds: boot + timeout * 2 + 5 * Self.second)))
  }

  private mutating func finish(sentAt: Int64) throws {
    switch server.answer(sentAt: sentAt, at: boot, random: &random) {
    case .token(let token):
      try handle(.acquired(token))
      // Only now: a response that comes when the former token has just expired is too late to replace it.
      newest = token
      lastHeard = server.lastGood
      if lifecycle.newest == token {
        lastChange = boot
        wasRefused = false
        wasAskedToWait = false
      }
    case .failure(let failure):
      if failure.kind == .refused { wasRefused = true }
      if failure.retryAfter != nil { wasAskedToWait = true }
      try fail(failure)
    }
  }

  /// Compares the backoff with an independent calculation.
  private mutating func fail(_ failure: AcquisitionFailure) throws {
    try handle(.failed(failure))
    guard case .waiting(let until) = lifecycle.phase else {
      throw BrokenPromise(description: "no pause after a failure")
    }
    let wait = Double(until.nanoseconds - boot) / 1e9
    let left = lifecycle.newest.map { Double($0.expiresAt.nanoseconds - boot) / 1e9 }
    let count = lifecycle.failureStreak?.count ?? 0
    var longest = left.map { $0 > 120 ? max(60, $0 * 0.75 - 90) : max(1, $0 / 2) } ?? 60
    let pauseOfRefused = left.map { max(5, $0 / 2) } ?? .infinity
    if failure.kind == .refused { longest = min(300, pauseOfRefused) * 1.1 }
    if failure.kind == .transient {
      longest = min(longest, left == nil ? 60 : 1000)
      if count <= 1 { longest = 1 }
      let asked = min(failure.retryAfter?.seconds ?? 0, 300) * 1.1
      longest = max(longest, left.map { min(asked, max(1, $0 * 0.75)) } ?? asked)
    }
    try require(
      wait <= longest + 1e-6, "waits \(wait) s after failure \(count), not \(longest), with \(left ?? 0) s left")
    let shortest = failure.kind == .refused ? min(60, pauseOfRefused) * 0.9 - 1e-6 : 0.249
    try require(wait >= shortest, "waits \(wait) s only after \(failure.code)")
  }

  // MARK: Promises

  /// Checks what an application finds from now until the next event.
  private func look(until next: Int64) throws {
    if let tamperedSince {
      // Written again at once, or a second after the last time. With a full disk, 10 s later at most.
      let chanceSince = max(tamperedSince, lastChange, lastDiskFull + 11 * Self.second)
      try require(
        isStepUnseen || next - chanceSince <= Self.second + 50_000,
        "a reader sees a token that nobody verified \(next - chanceSince) ns after it was put there")
      return
    }
    guard let file else {
      return try require(boot >= promisedUntil, "a reader lacks the token that was promised until \(promisedUntil)")
    }
    try require(server.issued.contains(file), "a reader sees a token that the server never issued")
    // Set back and then suspended: neither of Dispatch's clocks shows it before the next heartbeat.
    guard !isStepUnseen else { return }
    // DeadlineTimer rounds up by so much.
    let overdue = next - file.expiresAt.nanoseconds
    try require(overdue <= 50_000, "a reader sees a token that ended \(overdue) ns ago")
  }

  /// Checks whether a token that expired without a successor could have had one.
  private mutating func hear(_ report: LifecycleReport) throws {
    guard case .expired = report, !isStepUnseen, let newest else { return }
    // If the server answers correctly at least once in each half of a lifetime, no application lacks a token after the
    // first.
    if let good = lastHeard, good.sentAt > lastDiskFull + 11 * Self.second {
      try require(
        boot - good.sentAt > good.halfLife,
        "a reader lacks a token \(boot - good.sentAt) ns after the server gave a good one")
    }
    // And the server gets a request as soon as the backoff allows whenever it is available.
    let start = max(newest.refreshAt.nanoseconds, lastChange, lastDiskFull + 11 * Self.second)
    for span in server.wellSpans(from: start, to: newest.expiresAt.nanoseconds) {
      let left = Double(newest.expiresAt.nanoseconds - span.start) / 1e9
      var silence = left > 120 ? max(60, left * 0.75 - 90) : max(1, left / 2)
      if wasAskedToWait { silence = max(silence, min(330, left * 0.75)) }
      if wasRefused { silence = max(silence, min(300, max(5, left / 2)) * 1.1) }
      // A wait that began just before; the queue; the request itself; two requests are a second apart.
      let enough = Int64(silence * 1e9) + timeout + latency + Self.second + 1_000_000
      try require(
        span.end - span.start <= enough,
        "a reader lacks a token though the server was well for \(Double(span.end - span.start) / 1e9) s "
          + "of its refresh, from \(left) s before the end"
      )
    }
  }

  private func require(_ condition: Bool, _ promise: @autoclosure () -> String) throws {
    if !condition { throw BrokenPromise(description: promise()) }
  }

  private mutating func draw(_ bound: Int64) -> Int64 { Int64(random.next() % UInt64(max(1, bound))) }
  private mutating func chance(_ oneIn: Int64) -> Bool { draw(oneIn) == 0 }
}
