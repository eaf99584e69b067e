import Base
import Engine

/// A whole host in virtual time: its clocks, timers, files and units, its servers, and a shell that performs what the
/// shipped `HostEngine` decides. A broken promise is thrown.
///
/// It contains no rule of the engine. It checks what readers of the files, servers, units and systemd see.
struct SimulatedHost {
  /// What the shell has begun, and what ends later, timed by the monotonic clock.
  enum Job {
    case beat, ntp(Int64), start
    case prepared(String, UInt64)
    case exchange(String, UInt64)
    case work(String, UInt64)
    case read(String, Int)
    case restored(String, Int, RestoredToken?, IssuedToken?)
    case withdrawn(String)
    case revoked(String)
    case keySet(Int, isShared: Bool)
    case introspected(String, IssuedToken)
    case probed(String, IssuedToken)
    case candidateProbed(String, UInt64)
    case putBack
  }

  /// A stop that is under way.
  struct Stop {
    var at: Int64
    var revocable: Set<String> = []
    var withdrawn: Set<String> = []
    var revoking: [Int: Int] = [:]
    var revoked: Set<String> = []
    var left: Set<String> = []
    /// How long the process is down afterwards.
    var pause: Int64
  }

  var random: SplitMix64
  var clocks = SimulatedClocks()
  var engine: HostEngine
  var fifo: [HostEvent] = []
  var jobs: [(at: Int64, job: Job)] = []
  var troubles: [(at: Int64, what: Trouble)] = []
  let troublesEnd: Int64

  var issuers: [SimulatedIssuer] = []
  var apis: [SimulatedAPI] = []
  /// The tokens that were revoked at their server, and when, by the real time.
  var revoked: [Int: Int64] = [:]
  /// When the engine last requested to read the key set of an issuer.
  var lastReading: [Int: Int64] = [:]
  /// When the key set of an issuer was last read, for any reason.
  var lastSuccessfulReading: [Int: Int64] = [:]
  /// When the key set of an issuer could last not be read.
  var lastFailedReading: [Int: Int64] = [:]
  /// When the process last started, was suspended, or took new settings.
  var disturbedAt: Int64 = 0
  /// The reply to the report that is being handled.
  var reply: ReportReply?
  /// Why tokens are not accepted any more, as the status document keeps it over a restart.
  var rejections: [Int: FailureCode] = [:]
  /// The tables whose API has accepted a token, as the status document keeps them over a restart.
  var proven: [String: Int] = [:]
  var files = SimulatedFiles()
  /// The configuration file, and the settings that the process has taken from it.
  var configuration: SimulatedConfiguration
  var inEffect: SimulatedConfiguration { didSet { noteTables() } }
  var watches: [String: Watch] = [:] { didSet { noteWatches() } }
  /// The watches of the tables in effect, in order.
  private(set) var watched: [Watch] = []
  /// The names of the tables in effect, in order. That of a dictionary differs between processes.
  private(set) var names: [String] = []
  /// The index of each table by its name, and the number of tables of each issuer.
  private(set) var places: [String: Int] = [:]
  private(set) var tablesOfIssuer: [Int] = []

  // MARK: The process

  var isRunning = false
  /// Whether systemd restarts the daemon if it is not alive at a heartbeat.
  let hasWatchdog: Bool
  var stop: Stop?
  var attempts: [UInt64: Attempt] = [:]
  var abandoned: Set<UInt64> = []
  /// Exchanges that do not end.
  var hanging: Set<UInt64> = []
  var nextExchangeHangs = false
  /// How many requests are under way at each issuer.
  var underWay: [Int: Int] = [:]
  var numbers: Set<UInt64> = []
  var lastRead = 0
  var units: [UInt64: WaitingUnit] = [:]
  var lastPeer: UInt64 = 0
  /// The steps and suspends since the daemon last compared its clocks.
  var unseen: (step: Int64, sleep: Int64) = (0, 0)
  var statusOwedSince: Int64?
  var isReady = false
  /// Since when the engine should have reported that the daemon is ready.
  var readyOwedSince: Int64?
  /// The tables that the process had at its start.
  var awaited: Set<String> = []
  var wasConfigured = false
  /// The tokens that have not recovered since the end of all troubles.
  private var ill: [String] = []

  // MARK: Troubles

  var diskFullUntil: Int64 = 0
  /// The files that cannot be written again while the disk is full; `nil` if each can be written sometimes.
  var leftForFiles: [Int: Bool]?
  var readOnlyUntil: Int64 = 0
  var diskHangsUntil: Int64 = 0
  var secretsHangUntil: Int64 = 0
  var secretsBrokenUntil: Int64 = 0
  /// When the last exchange that hung ended, by issuer.
  var hungUntil: [Int: Int64] = [:]
  /// The lowest `max_requests` so far.
  var fewestRequests: Int
  var hadHang = false

  private(set) var lastToken = 0
  private(set) var handled = 0
  private(set) var sends = 0
  /// Whether events and effects are printed, for a replay.
  var isPrinted = false

  init(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let start = clocks.boot
    let isLong = random.chance(40)
    let lifetimes: [Int64] = isLong ? [86_400, 2_629_743, 31_536_000] : [3, 10, 60, 300, 3600]
    let base = (random.chance(30) ? 20_000 : random.choose(lifetimes) ?? 60) * second
    let issuerCount = random.chance(2) ? 1 : random.pick(2...5)
    for _ in 0..<issuerCount { issuers.append(SimulatedIssuer(lifetime: base, from: start, random: &random)) }
    // Most lives are short: a host with many tokens costs as much as many hosts.
    let count =
      switch isLong ? 0 : random.draw(100) {
      case 0..<55: random.pick(1...2)
      case 55..<85: random.pick(3...6)
      case 85..<98: random.pick(7...15)
      default: random.pick(16...50)
      }
    configuration = SimulatedConfiguration(tables: count, timeouts: issuers.map(\.timeout), random: &random)
    inEffect = configuration
    fewestRequests = configuration.maxRequests
    let longest = issuers.map(\.length).max() ?? 0
    let length = min(longest, max(600 * second, (isLong ? 120_000 : 40_000) * second / count))
    for _ in 0..<SimulatedConfiguration.apis {
      apis.append(SimulatedAPI(from: start, length: length, random: &random))
    }
    troublesEnd = start + length
    hasWatchdog = random.chance(2)
    troubles = Trouble.all(from: start, length: length, lifetime: longest / 3, &random)
    engine = HostEngine(seed: 0, at: clocks.now)
    self.random = random
    noteTables()
  }

  private mutating func noteTables() {
    names = inEffect.tables.map(\.name)
    places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    tablesOfIssuer = issuers.indices.map { issuer in inEffect.tables.count { $0.issuer == issuer } }
    noteWatches()
  }

  private mutating func noteWatches() { watched = names.compactMap { watches[$0] } }

  /// Runs through all troubles, and then until the host has recovered.
  mutating func live() throws(BrokenPromise) {
    try startProcess()
    try drain()
    try run(until: troublesEnd) { _ in false }
    endTroubles()
    if !isRunning { try startProcess() }
    try drain()
    let since = clocks.boot
    // The longest waits are 60 s without a token, 1000 s with one, and 330 s after a rejection. Attempts that began
    // before add to them. A pause of the virtual machine is detected two minutes later.
    let slowest = issuers.map(\.timeout).max() ?? 0
    let bound =
      since + 1370 * second + SimulatedAPI.longestLearning + slowest * 2 + names.map { longestTurn($0) }.reduce(0, max)
    try run(until: bound) { $0.hasRecovered() }
    try require(
      hasRecovered(),
      "not well \(seconds(clocks.boot - since)) s after the end of all troubles: \(ill.compactMap { illness(of: $0) })")
  }

  private mutating func endTroubles() {
    for index in issuers.indices { issuers[index].recover(at: clocks.real) }
    for index in apis.indices { apis[index].recover() }
    troubles = []
    (diskFullUntil, readOnlyUntil, diskHangsUntil, secretsHangUntil, secretsBrokenUntil) = (0, 0, 0, 0, 0)
    nextExchangeHangs = false
    if configuration.correct(), isRunning, stop == nil { reload() }
    // If a stop is under way, the administrator starts the service again within a second of its end.
    if let pause = stop?.pause { stop?.pause = min(pause, second) }
    ill = configuration.tables.map(\.name)
    for name in names {
      watches[name]?.ableSince = clocks.boot
      // Secrets that hung are read, and the request waits for its turn.
      let by = clocks.boot + 62 * second + longestTurn(name)
      if let must = watches[name]?.mustSend { watches[name]?.mustSend?.by = max(must.by, by) }
    }
    // What hung ends.
    for index in jobs.indices {
      switch jobs[index].job {
      case .work, .prepared, .read, .start: jobs[index].at = min(jobs[index].at, clocks.mono + second)
      default: break
      }
    }
  }

  /// Whether each token has recovered at least once since the end of all troubles. They need not all be well at the
  /// same time, as a server can be too slow for many short tokens.
  private mutating func hasRecovered() -> Bool {
    for index in ill.indices.reversed() where illness(of: ill[index]) == nil { ill.remove(at: index) }
    return ill.isEmpty && isRunning && stop == nil && isReady && engine.isReady
  }

  /// What can be wrong with a token.
  private enum Illness { case isNotManaged, hasNoToken, fails, isOfFormerSettings, hasWrongFiles }

  /// What is wrong with a token; `nil` if it is well.
  private func illness(of name: String) -> Illness? {
    guard let watch = watches[name], let life = engine.lifecycle(of: name) else { return .isNotManaged }
    guard let newest = watch.newest, newest.expiresAt > clocks.boot, life.newest != nil else { return .hasNoToken }
    guard life.failureStreak == nil else { return .fails }
    guard newest.issuer == watch.table.issuer else { return .isOfFormerSettings }
    // With two servers in turn, the API can reject the token that one of them returns for the new settings. Then the
    // token of the previous settings stays.
    let isOtherBad = issuers[newest.issuer].repetition == .inTurn && !watch.bad.isEmpty
    guard newest.client == watch.table.client || isOtherBad else { return .isOfFormerSettings }
    let right = SimulatedFiles.Content(token: newest)
    guard watch.table.outputs.allSatisfy({ files[$0] == right }), life.publication == .settled else {
      return .hasWrongFiles
    }
    return nil
  }

  // MARK: Time

  private mutating func run(until horizon: Int64, end: (inout Self) -> Bool) throws(BrokenPromise) {
    while true {
      var next = min(horizon, troubles.last?.at ?? .max) - clocks.boot
      for index in jobs.indices { next = min(next, jobs[index].at - clocks.mono) }
      if isRunning { next = min(next, clocks.untilTimer) }
      let wait = max(0, next)
      if wait > 0 { try look(until: clocks.boot + wait) }
      if clocks.boot + wait >= horizon || end(&self) { return }
      clocks.pass(wait)
      try happen()
      try drain()
    }
  }

  private mutating func happen() throws(BrokenPromise) {
    if let trouble = troubles.last, trouble.at <= clocks.boot {
      troubles.removeLast()
      return try meet(trouble.what)
    }
    if let index = jobs.indices.first(where: { jobs[$0].at <= clocks.mono }) {
      return try end(jobs.remove(at: index).job)
    }
    if isRunning, clocks.takeTimer() { post(.woke) }
  }

  mutating func later(_ delay: Int64, _ job: Job) { jobs.append((clocks.mono + delay, job)) }

  // MARK: The FIFO of the shell

  mutating func post(_ event: HostEvent) {
    if isRunning { fifo.append(event) }
  }

  /// Handles all events, and then one `idle`.
  mutating func drain() throws(BrokenPromise) {
    guard isRunning, !fifo.isEmpty else { return fifo = [] }
    var count = 0
    repeat {
      var next = 0
      while next < fifo.count {
        try handle(fifo[next])
        next += 1
        count += 1
        try require(count < 20_000, "the events of one instant do not end")
        guard isRunning else { return fifo = [] }
      }
      fifo.removeAll(keepingCapacity: true)
      try handle(.idle)
      guard isRunning else { return fifo = [] }
    } while !fifo.isEmpty
    try checkDrained()
  }

  private mutating func handle(_ event: HostEvent) throws(BrokenPromise) {
    handled += 1
    noteBefore(event)
    let before = noteReport(event)
    let effects = engine.handle(event, at: clocks.now)
    if isPrinted { History.write(event, effects, at: clocks.boot) }
    for effect in effects {
      guard isRunning else { return }
      try perform(effect)
    }
    if let before { try checkReply(before) }
    if case .heartbeat = event { try checkHeartbeat() }
  }

  mutating func nextToken() -> Int {
    lastToken += 1
    return lastToken
  }

  mutating func countSend() { sends += 1 }
}
