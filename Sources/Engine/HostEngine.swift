public import Base
import OrderedCollections

/// The state machine of a host: all its tokens, the request queues of its issuers, waiting units, clocks, and the stop.
///
/// It takes events and returns effects. It does no I/O, reads no clock, and draws random numbers from its seed only. A
/// test runs a year of a host in milliseconds.
///
/// Small values make the decisions. The engine passes events between them, and keeps one deadline for the whole host.
/// After the events that happened at the same time, it needs one `idle` event, which arms the timer.
public struct HostEngine: Sendable {
  /// What the engine knows of one token.
  struct Token: Sendable {
    var plan: TokenPlan
    var lifecycle: TokenLifecycle
    var lane = FileLane()
    /// The attempt that is prepared, queued or sent; 0 for none.
    var attempt: UInt64 = 0
    /// The issuer that the attempt was sent to.
    var sentTo: ServerID?
    /// The token of the attempt, while it is tried at the API.
    var candidate: CandidateToken?
    /// The digest of the newest token, and of the token of the attempt.
    var digest: TokenDigest?
    var received: TokenDigest?
    /// How the previous request brought the token of the attempt; `nil` if the present settings did.
    var fallback: ReceivedToken.Fallback?
    var known = KnownTokens()
    /// When the last request was sent that brought an earlier token instead of a new one.
    var confirmedAt: BootTime?
    var held = HeldToken()
    var reports = RejectionReports()
    var availability: Availability?
    /// Whether the API has ever accepted a token. Without that, a rejection proves nothing.
    var isAPIProven = false
    /// Whether the API rejects the token without having accepted one before.
    var isAPIDoubtful = false
    /// Whether the API accepted the token that is published next.
    var isTried = false
    /// Whether the newest token was requested with settings that are not in effect any more.
    var isOfFormerSettings = false

    var name: String { plan.name }

    /// Whether an attempt was sent that has neither failed nor brought a token that is in use.
    var isUnderWay: Bool { sentTo != nil || candidate != nil }

    /// Whether the newest token is known to be rejected, or reported so by an application.
    var isRejected: Bool { lifecycle.rejection != nil || held.isReported }

    /// Whether a token is needed so much that the previous request can bring it, if the present settings cannot.
    func mayFallBack(at now: BootTime) -> Bool { isRejected || lifecycle.newest.map { $0.refreshAt <= now } ?? true }
  }

  /// What the engine knows of one issuer.
  struct Issuer: Sendable {
    var queue: RequestQueue
    var keySet = KeySetSchedule()
  }

  /// The names of all tokens, in the order in which they were added. That of a dictionary differs between processes.
  var order: OrderedSet<String> = []
  /// The tokens in the same order. They are large: one is changed in place, by its index, and never copied.
  var tokens: [Token] = []
  var waits = CredentialWaits()
  var status = StatusSchedule()
  var effects: [HostEffect] = []
  var stopping: StopProgress?
  var maxRequests = 1
  var issuers: OrderedDictionary<ServerID, Issuer> = [:]
  private var clocks: ClockComparison
  var deadlines = DeadlineQueue()
  var random: SplitMix64
  /// The time of the present event.
  var now: Moment
  /// The number of the last attempt, or work on files. Numbers never repeat within a process.
  var lastNumber: UInt64 = 0
  /// Events for lifecycles that follow from the present event.
  private var pending: [(token: Int, event: LifecycleEvent, attempt: UInt64)] = []
  /// Issuers whose queue can have a request to send.
  var unsent: OrderedSet<ServerID> = []
  /// The deadline of the timers, and the clocks when they were armed.
  private var armed: (deadline: BootTime, at: Moment)?

  /// An engine without tokens. `seed` determines the jitter of all retries.
  public init(seed: UInt64, at now: Moment) {
    random = SplitMix64(seed: seed)
    clocks = ClockComparison(now)
    self.now = now
  }

  // MARK: State

  /// The names of all tokens.
  public var names: [String] { order.elements }

  /// The index of a token; `nil` if it is not managed.
  func index(of name: String) -> Int? { order.firstIndex(of: name) }

  /// The lifecycle of one token.
  public func lifecycle(of name: String) -> TokenLifecycle? { index(of: name).map { tokens[$0].lifecycle } }

  /// Whether all awaited tokens were published, or rejected, since the start.
  public var isReady: Bool { status.isReady }

  /// Whether the daemon stops: no token is requested or written any more.
  public var isStopping: Bool { stopping != nil }

  /// When something is due for any token; `nil` before the start. It is in the past only if a request hangs beyond its
  /// limit, or if the timer did not fire.
  public var deadline: BootTime? { tokens.lazy.compactMap(\.lifecycle.deadline).min() }

  /// How long something can be overdue before the process must be restarted.
  public static let heartbeatGrace = Duration.seconds(5)

  /// Whether nothing is overdue: a condition of each heartbeat.
  public func isAlive(at now: BootTime) -> Bool { deadline.map { $0 >= now - Self.heartbeatGrace } ?? true }

  // MARK: Events

  /// Takes one event; returns the effects, in order.
  public mutating func handle(_ event: HostEvent, at now: Moment) -> [HostEffect] {
    effects = []
    self.now = now
    if stopping != nil {
      continueStop(event, at: now.boot)
    } else {
      take(event, at: now)
      settle(at: now.boot)
      if case .idle = event {
        // What was done can cause something that is due at once, such as the first probe of a token.
        if let due = deadlines.earliest(), due <= now.boot {
          performDue(at: now.boot)
          settle(at: now.boot)
        }
        rest(at: now.boot)
      }
    }
    defer { effects = [] }
    return effects
  }

  private mutating func take(_ event: HostEvent, at now: Moment) {
    let time = now.boot
    switch event {
    case .configured(let change): configure(change, at: time)
    case .restored(let name, let token, let availability):
      if let index = index(of: name) { start(index, with: token, availability, at: time) }
    case .prepared(let name, let attempt, let failure):
      if let index = index(of: name) { finishPreparation(index, attempt, failure) }
    case .finished(let name, let attempt, let result):
      if let index = index(of: name) { finish(index, attempt, result) }
    case .refreshAll: for index in tokens.indices { push(.refresh, index) }
    case .retryFailing: retryFailing()
    case .worked(let name, let work, let outcome):
      if let index = index(of: name) { finishWork(index, work, outcome, at: time) }
    case .fileChanged(let name?): if let index = index(of: name) { examine(index, at: time) }
    case .fileChanged(nil): for index in tokens.indices { examine(index, at: time) }
    case .woke:
      armed = nil
      wake(at: now)
    case .heartbeat:
      if let armed, ClockComparison.delaysTimer(from: armed.at, to: now) { self.armed = nil }
      wake(at: now)
      for index in tokens.indices { examine(index, at: time) }
      // Without a delay, as a delay would cost another wake-up at every heartbeat.
      status.want(tokens: 0, at: time)
    // Another event can come before the timer fires, for example after a suspend.
    case .idle: performDue(at: time)
    case .credentialRequested(let peer, let name, let since): request(peer, name, since: since, at: time)
    case .credentialAwaited(let name): if let index = index(of: name) { requestNewer(index) }
    case .statusChanged: status.want(tokens: tokens.count, at: time)
    case .keySetRead(let server, let result): takeKeySet(server, result, at: time)
    case .checked(let name, let requestedAt, let verdict): takeCheck(name, requestedAt, verdict, at: time)
    case .probed(let name, let attempt, let verdict): takeProbe(name, attempt, verdict, at: time)
    case .reported(let name, let rejected): takeReport(name, rejected, at: time)
    case .stop(let revokes): beginStop(revokes: revokes, at: time)
    case .withdrawn, .revoked: break
    }
  }

  // MARK: Lifecycles

  /// Adds an event for the lifecycle of a token, which is handled before the present event is over.
  mutating func push(_ event: LifecycleEvent, _ index: Int, attempt: UInt64 = 0) {
    pending.append((index, event, attempt))
  }

  /// Requests a token now for each table whose requests fail.
  mutating func retryFailing() {
    for index in tokens.indices where tokens[index].lifecycle.failureStreak != nil { push(.refresh, index) }
  }

  /// Handles everything that follows from the present event.
  private mutating func settle(at now: BootTime) {
    while true {
      var next = 0
      while next < pending.count {
        let (index, event, attempt) = pending[next]
        next += 1
        step(event, index, attempt, at: now)
      }
      pending.removeAll(keepingCapacity: true)
      guard !unsent.isEmpty else { return }
      let server = unsent.removeFirst()
      sendNext(server, at: now)
    }
  }

  /// Passes an event to a token, and performs what follows from it.
  mutating func step(_ event: LifecycleEvent, _ index: Int, _ attempt: UInt64, at now: BootTime) {
    let before = tokens[index].lifecycle.phase
    let isReported = tokens[index].held.isReported
    let failure = event.bringsToken ? tokens[index].fallback?.failure : nil
    let following = tokens[index].lifecycle.handle(event, isReported: isReported, after: failure, at: now)
    note(event, index, attempt)
    for effect in following {
      switch effect {
      case .request: enqueue(index)
      case .publish: perform(.publish, index, at: now)
      case .unpublish: perform(.remove, index, at: now)
      case .report(let report): effects.append(.report(.token(tokens[index].name, report)))
      }
    }
    followUp(event, index, at: now)
    answerWaiting(index, at: now)
    if event.bringsToken {
      tokens[index].fallback = nil
      // A unit may have begun to wait after this token was requested.
      refreshForWaiting(index)
    }
    rearm(index, at: now)
    // Each report of an application wakes the lifecycle, mostly without effect.
    if event.mayChangeNothing, following.isEmpty, tokens[index].lifecycle.phase == before { return }
    let isRefreshing = tokens[index].lifecycle.published != nil && !tokens[index].lifecycle.isWaiting
    status.want(after: isRefreshing ? StatusSchedule.refreshDelay : .zero, tokens: tokens.count, at: now)
  }

  /// Reports the result of an attempt to the shell.
  private mutating func note(_ event: LifecycleEvent, _ index: Int, _ attempt: UInt64) {
    guard attempt != 0 else { return }
    switch event {
    case .acquired(let times) where tokens[index].lifecycle.newest == times:
      effects.append(.accept(tokens[index].name, attempt: attempt, times))
    case .returnedAgain(let times, isRewritten: true):
      effects.append(.accept(tokens[index].name, attempt: attempt, times))
    case .returnedAgain: effects.append(.keep(tokens[index].name, attempt: attempt))
    case .acquired, .failed, .returnedExpired:
      guard let failure = tokens[index].lifecycle.failureStreak?.failure else { return }
      effects.append(.noteFailure(tokens[index].name, attempt: attempt, failure))
    default: break
    }
  }

  mutating func rearm(_ index: Int, at now: BootTime) {
    var next = earlier(tokens[index].lifecycle.nextWake(after: now), tokens[index].lane.hangsAt)
    next = earlier(next, tokens[index].held.deadline)
    next = earlier(next, tokens[index].candidate?.deadline)
    deadlines.set(earlier(next, tokens[index].reports.deadline), for: index)
  }

  // MARK: Time

  private mutating func wake(at now: Moment) {
    compareClocks(now)
    performDue(at: now.boot)
  }

  private mutating func performDue(at now: BootTime) {
    for index in deadlines.popDue(at: now) {
      if tokens[index].lane.reportsHang(at: now) {
        let path = tokens[index].plan.path
        push(.publicationFailed("cannot write \(path): the file system does not answer"), index)
      }
      performChecks(index, at: now)
      push(.woke, index)
    }
    readKeySets(at: now)
    for (name, peer) in waits.overdue(at: now) {
      let isValid = lifecycle(of: name)?.newest.map { $0.expiresAt > now } ?? false
      effects.append(
        .answer(peer: peer, isValid ? .token(isShort: true) : index(of: name) == nil ? .removed : .timedOut))
    }
  }

  private mutating func compareClocks(_ now: Moment) {
    guard let change = clocks.compare(now) else { return }
    effects.append(.report(.clock(change)))
    for index in tokens.indices where tokens[index].isUnderWay && change.events.contains(.resumed) {
      // The connection is lost. A token that was requested before a pause would seem newer than it is.
      abandon(index)
    }
    for index in tokens.indices {
      for event in change.events { push(event, index) }
    }
  }

  /// Reports the status and arms the timer, after all events that happened at the same time.
  private mutating func rest(at now: BootTime) {
    if status.take(at: now) {
      if status.becomeReady(tokens.contains { $0.lifecycle.published != nil }) {
        effects.append(.report(.ready))
      }
      effects.append(.reportStatus)
    }
    var next = earlier(earlier(deadlines.earliest(), waits.firstLimit), status.due)
    for issuer in issuers.values { next = earlier(next, issuer.keySet.next) }
    guard let next, next != armed?.deadline else { return }
    armed = (next, self.now)
    effects.append(.arm(next))
  }

  // MARK: Requests

  /// Begins an attempt: it is prepared first if it needs files, then queued at its issuer.
  private mutating func enqueue(_ index: Int) {
    let (name, server) = (tokens[index].name, tokens[index].plan.server)
    // A request that is queued already keeps its place.
    guard !(issuers[server]?.queue.isQueued(name) ?? false) else { return }
    abandon(index)
    lastNumber += 1
    tokens[index].attempt = lastNumber
    if tokens[index].plan.readsFiles {
      effects.append(.readSecrets(name, attempt: lastNumber))
    } else {
      waitInQueue(name, server)
    }
  }

  private mutating func waitInQueue(_ name: String, _ server: ServerID) {
    issuers[server, default: Issuer(queue: RequestQueue(limit: maxRequests))].queue.enqueue(name)
    unsent.append(server)
  }

  /// Abandons the attempt of a token, whether it is prepared, queued or sent.
  mutating func abandon(_ index: Int) {
    let (name, attempt) = (tokens[index].name, tokens[index].attempt)
    guard attempt != 0 else { return }
    issuers[tokens[index].plan.server]?.queue.forget(name)
    if let server = tokens[index].sentTo {
      issuers[server]?.queue.end(RequestQueue.Permit(token: name, attempt: attempt))
      unsent.append(server)
    }
    effects.append(.abandon(name, attempt: attempt))
    tokens[index].attempt = 0
    tokens[index].sentTo = nil
    tokens[index].candidate = nil
    tokens[index].fallback = nil
  }

  private mutating func finishPreparation(_ index: Int, _ attempt: UInt64, _ failure: AcquisitionFailure?) {
    guard tokens[index].attempt == attempt, tokens[index].sentTo == nil else { return }
    guard let failure else { return waitInQueue(tokens[index].name, tokens[index].plan.server) }
    tokens[index].attempt = 0
    push(.failed(failure), index, attempt: attempt)
  }

  private mutating func sendNext(_ server: ServerID, at now: BootTime) {
    while let name = issuers[server]?.queue.next() {
      guard let index = index(of: name), tokens[index].attempt != 0 else { continue }
      let attempt = tokens[index].attempt
      let remaining = tokens[index].lifecycle.newest.map { $0.expiresAt - now }
      let timeout = AttemptLimits.timeout(tokens[index].plan.timeout, remaining: remaining)
      issuers[server]?.queue.begin(RequestQueue.Permit(token: name, attempt: attempt))
      tokens[index].sentTo = server
      let mayFallBack = tokens[index].mayFallBack(at: now)
      effects.append(.send(name, attempt: attempt, timeout: timeout, mayFallBack: mayFallBack))
      push(.began(limit: AttemptLimits.limit(from: now, timeout: timeout)), index)
    }
  }

  private mutating func finish(_ index: Int, _ attempt: UInt64, _ result: Result<ReceivedToken, AcquisitionFailure>) {
    // An abandoned attempt has freed its place already.
    guard tokens[index].attempt == attempt, let server = tokens[index].sentTo else { return }
    issuers[server]?.queue.end(RequestQueue.Permit(token: tokens[index].name, attempt: attempt))
    unsent.append(server)
    tokens[index].sentTo = nil
    switch result {
    case .success(let received):
      tokens[index].fallback = received.fallback
      take(received, index, attempt, at: now.boot)
    case .failure(let failure):
      tokens[index].attempt = 0
      if failure.kind == .refused { status.settle(tokens[index].name) }
      push(.failed(failure), index, attempt: attempt)
    }
  }
}

/// The earlier of two times, each of which can be `nil`. It needs no array: a simulated fleet calls it often.
func earlier(_ first: BootTime?, _ second: BootTime?) -> BootTime? {
  guard let first, let second else { return first ?? second }
  return min(first, second)
}
