import Base

/// The work on one token's files: one at a time, because their disk can hang.
///
/// Work that is requested meanwhile is done afterwards. Only the last request counts, and it follows from the token:
/// publish the newest one, or remove the files.
struct FileLane: Sendable {
  /// How long work on files can take before it is reported that they hang.
  static let hangLimit = Duration.seconds(5)

  /// The work that runs, or hangs.
  private(set) var running: (number: UInt64, work: FileWork)?
  /// The expiry of the token that the last work writes; `nil` if it writes none.
  var writtenExpiry: BootTime?
  /// Since when publication or removal waits for the files; `nil` if it was reported that they hang.
  private var waitingSince: BootTime?
  /// Whether other work was requested meanwhile.
  private var isBehind = false
  /// Whether the removal of the files was requested during the last work.
  private(set) var wantsRemoval = false

  /// When it is to be reported that the files hang.
  var hangsAt: BootTime? { waitingSince.map { $0 + Self.hangLimit } }

  /// Takes the lane for `work`.
  ///
  /// - Returns: the number of the work, the next after `last`; `nil` if other work is running.
  mutating func begin(_ work: FileWork, after last: inout UInt64, at now: BootTime) -> UInt64? {
    if work != .examine { waitingSince = waitingSince ?? now }
    guard running == nil else {
      // Other work examines the files too.
      if work != .examine { isBehind = true }
      if work == .remove { wantsRemoval = true }
      return nil
    }
    wantsRemoval = false
    last += 1
    running = (last, work)
    return last
  }

  /// Frees the lane.
  ///
  /// - Returns: the work, and whether other work was requested meanwhile; `nil` if this work does not run.
  mutating func end(_ number: UInt64) -> (work: FileWork, isBehind: Bool)? {
    guard let running, running.number == number else { return nil }
    defer { isBehind = false }
    self.running = nil
    waitingSince = nil
    return (running.work, isBehind)
  }

  /// Whether it must be reported now that the files hang: once for each request.
  mutating func reportsHang(at now: BootTime) -> Bool {
    guard let hangsAt, hangsAt <= now else { return false }
    waitingSince = nil
    return true
  }
}
