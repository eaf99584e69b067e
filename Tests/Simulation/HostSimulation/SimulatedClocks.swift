import Base

/// The clocks of a host, and the two Dispatch timers that stand for its deadline, in nanoseconds.
struct SimulatedClocks {
  /// `CLOCK_BOOTTIME`.
  private(set) var boot: Int64 = 1_000_000_000_000
  /// `CLOCK_MONOTONIC`. The jobs of the process are timed by it.
  private(set) var mono: Int64 = 900_000_000_000
  /// `CLOCK_REALTIME`.
  private var wall: Int64 = 1_800_000_000_000_000_000
  /// How long the virtual machine stood still, which none of its clocks shows.
  private var paused: Int64 = 0
  private var monoTimer = Int64.max
  private var wallTimer = Int64.max
  private var isSuspended = false
  private var isSetBack = false

  var now: Moment {
    Moment(
      boot: BootTime(nanoseconds: boot), unix: Double(wall) / 1e9, monotonic: BootTime(nanoseconds: mono))
  }

  /// The time of all other hosts, counted from this host's boot.
  var real: Int64 { boot + paused }

  /// Whether no timer can be right. Since they were armed, the host was suspended, which delays one timer. Also, its
  /// clock was set back, which delays the other one.
  var areTimersBlind: Bool { isSuspended && isSetBack }

  var isArmed: Bool { monoTimer != .max && wallTimer != .max }

  /// How long until one of the timers fires.
  var untilTimer: Int64 { isArmed ? min(monoTimer - mono, wallTimer - wall) : .max }

  mutating func pass(_ length: Int64) {
    boot += length
    mono += length
    wall += length
  }

  mutating func suspend(_ length: Int64) {
    boot += length
    wall += length
    if length > 0 { isSuspended = true }
  }

  mutating func step(_ length: Int64) {
    wall += length
    if length < 0 { isSetBack = true }
  }

  mutating func pause(_ length: Int64) { paused += length }

  /// Arms both timers, as `DeadlineTimer` does.
  mutating func arm(_ time: BootTime) {
    let wait = time.nanoseconds > boot ? min(time.nanoseconds - boot, .max / 4) + timerRounding : second
    let length = min(wait, 86_400 * second)
    (monoTimer, wallTimer) = (mono + length, wall + length)
    see()
  }

  /// Notes that the daemon compares its clocks, and can arm its timers again.
  mutating func see() { (isSuspended, isSetBack) = (false, false) }

  /// Returns whether a timer fires now, and then disarms both.
  mutating func takeTimer() -> Bool {
    guard untilTimer <= 0 else { return false }
    disarm()
    return true
  }

  mutating func disarm() { (monoTimer, wallTimer) = (.max, .max) }
}
