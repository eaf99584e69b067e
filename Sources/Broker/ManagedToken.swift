import Base
import Dispatch
import Engine
import Files
import HTTP
import OAuth
import Publication
import Settings

/// One token of the configuration: its settings, its lifecycle, and its bytes, files, timer and requests.
///
/// Each part belongs to one type, which alone changes it: see the properties.
@BrokerActor final class ManagedToken {
  let settings: TokenSettings
  let timer: DeadlineTimer

  private(set) var lifecycle: TokenLifecycle
  /// The newest verified token; `nil` when it has expired.
  private(set) var record: TokenRecord?

  /// The attempt under way: `RequestScheduler`.
  var attempt = RequestAttempt()
  /// The course of its requests so far: `RequestScheduler`.
  var history = RequestHistory()
  /// Its files and the work on them: `TokenPublisher`.
  var files: TokenFiles
  var lane = FileLane()
  /// Why the state file could not be written, as it was last reported: `TokenPublisher`.
  var stateFailure: PublicationFailure?
  /// The signals to the process of `signal`: `ReaderNotifier`.
  var notification = ReaderNotification()
  /// Whether its files were removed because it is revoked: `TokenRevocation`. The process is about to end.
  var isRevokedAtStop = false

  init(_ settings: TokenSettings, allowsPersistentStorage: Bool, seed: UInt64, timer: DeadlineTimer) {
    self.settings = settings
    self.timer = timer
    lifecycle = TokenLifecycle(seed: seed)
    files = TokenFiles(settings, allowsPersistentStorage: allowsPersistentStorage)
  }

  var name: String { settings.name }
  var server: ServerKey { ServerKey(issuer: settings.issuer, transport: settings.transport) }
  var verifiedToken: VerifiedToken? { record?.verifiedToken }

  /// Passes an event to the lifecycle; returns the effects to perform.
  func handle(_ event: LifecycleEvent, at now: BootTime) -> [LifecycleEffect] {
    lifecycle.handle(event, at: now)
  }

  /// Arms the timer for the next time at which something is due.
  func arm() {
    let now = Moment.now().boot
    if let time = lifecycle.nextWake(after: now) { timer.arm(time, now: now) }
  }

  /// Makes `record` the newest token.
  func take(_ record: TokenRecord) { self.record = record }

  /// Drops the bytes of a token that has expired.
  func dropExpired() {
    if lifecycle.newest == nil { record = nil }
  }

  /// When a token is refreshed and when it expires. The jitter of this host and token is the same after a restart.
  func times(of token: VerifiedToken) -> TokenTimes {
    RefreshSchedule(fraction: settings.refreshAt, maxAge: settings.maxAge, jitter: HostJitter.share(of: name))
      .plan(requestedAt: token.requestedAt.boot, lifetime: token.lifetime)
  }

  /// Continues the life of a token whose settings were replaced.
  func inherit(from former: ManagedToken) {
    lifecycle = former.lifecycle
    record = former.record
    files.inherit(from: former.files)
    lane = former.lane
    stateFailure = former.stateFailure
    history = former.history
    if settings.authenticates(differentlyFrom: former.settings) { history.clientAuthentication = nil }
    notification.inherit(from: former.notification)
  }
}

/// The managed tokens by name, and the way of events to their lifecycles.
@BrokerActor final class ManagedTokens {
  private var tokens: [String: ManagedToken] = [:]
  /// From the stop on, no event reaches a lifecycle.
  private(set) var isStopping = false
  private var perform: @BrokerActor (LifecycleEffect, ManagedToken) -> Void = { _, _ in }
  private var didHandle: @BrokerActor (LifecycleEvent, ManagedToken) -> Void = { _, _ in }
  private var timerFired: @BrokerActor (String) -> Void = { _ in }

  nonisolated init() {}

  /// Sets the handlers.
  ///
  /// - Parameters:
  ///   - perform: performs one effect of a lifecycle.
  ///   - didHandle: called when all effects of an event were performed.
  ///   - timerFired: called when the timer of the token with this name fires.
  func connect(
    perform: @escaping @BrokerActor (LifecycleEffect, ManagedToken) -> Void,
    didHandle: @escaping @BrokerActor (LifecycleEvent, ManagedToken) -> Void,
    timerFired: @escaping @BrokerActor (String) -> Void
  ) {
    self.perform = perform
    self.didHandle = didHandle
    self.timerFired = timerFired
  }

  subscript(_ name: String) -> ManagedToken? {
    get { tokens[name] }
    set { tokens[name] = newValue }
  }

  var names: [String] { Array(tokens.keys) }
  var all: [ManagedToken] { Array(tokens.values) }
  var count: Int { tokens.count }

  /// Makes a token with these settings; it is not among the managed ones yet.
  func make(_ settings: TokenSettings, _ daemon: DaemonSettings) -> ManagedToken {
    let name = settings.name
    let timer = DeadlineTimer(queue: BrokerActor.queue) { [weak self] in
      BrokerActor.assumeIsolated { self?.timerFired(name) }
    }
    return ManagedToken(
      settings, allowsPersistentStorage: daemon.allowPersistentStorage, seed: .random(in: .min ... .max), timer: timer)
  }

  /// Passes an event to a token's lifecycle and performs the effects.
  func handle(_ event: LifecycleEvent, _ name: String) {
    guard !isStopping, let token = tokens[name] else { return }
    for effect in token.handle(event, at: Moment.now().boot) { perform(effect, token) }
    token.dropExpired()
    didHandle(event, token)
  }

  /// Ends the way of events.
  func stop() { isStopping = true }
}

/// Fires once at a point of the boot-time clock, as nearly as Dispatch's two clocks allow.
///
/// Dispatch has no timer on `CLOCK_BOOTTIME`. Two timers stand for each deadline. The one on `CLOCK_MONOTONIC` is right
/// if the wall clock is set, but does not advance during suspend. The one on `CLOCK_REALTIME` fires at once after a
/// suspend, but is late if the clock was set back. If the first of them fires too early, the lifecycle arms both again.
final class DeadlineTimer {
  private let uptime: any DispatchSourceTimer
  private let wall: any DispatchSourceTimer

  /// A timer that calls `handler` on `queue`; not armed yet.
  init(queue: DispatchQueue, handler: @escaping @Sendable () -> Void) {
    uptime = DispatchSource.makeTimerSource(flags: .strict, queue: queue)
    wall = DispatchSource.makeTimerSource(flags: .strict, queue: queue)
    for timer in [uptime, wall] {
      timer.setEventHandler(handler: handler)
      timer.schedule(wallDeadline: .distantFuture)
      timer.activate()
    }
  }

  deinit {
    uptime.cancel()
    wall.cancel()
  }

  /// Arms it for `deadline`. A deadline that has passed fires after `late`, so that a state that cannot move does not
  /// spin.
  func arm(_ deadline: BootTime, now: BootTime, late: Duration = .seconds(1)) {
    // Rounded up: if a timer fired a microsecond early, nothing would be due, and it would be armed again for nothing.
    let wait = deadline > now ? deadline - now + .microseconds(50) : late
    let nanoseconds = Int(min(wait.nanoseconds, Duration.seconds(86_400).nanoseconds))
    uptime.schedule(
      deadline: DispatchTime.now() + DispatchTimeInterval.nanoseconds(nanoseconds), leeway: .milliseconds(1))
    wall.schedule(
      wallDeadline: DispatchWallTime.now() + DispatchTimeInterval.nanoseconds(nanoseconds), leeway: .milliseconds(1))
  }
}
