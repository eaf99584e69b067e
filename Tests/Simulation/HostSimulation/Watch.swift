import Base
import Engine

/// What the simulation knows of one token: its settings, what the shell holds of it, and what is promised for it.
///
/// It is a class, because it is large and read at every step.
final class Watch {
  var table: SimulatedTable

  // MARK: The shell

  /// Whether the files of the previous run were read.
  var isStarted = false
  /// The settings that brought the last token.
  var working: SimulatedTable?
  /// The number of the read whose result counts. Settings that change meanwhile start another read.
  var read = 0
  /// The newest token.
  var newest: IssuedToken? {
    // `refreshAt` follows from the settings at the token's arrival. Later settings do not change it.
    didSet {
      if let newest, newest.id != oldValue?.id {
        let share = Int64(Double(newest.lifetime - second) * table.refreshAt)
        refreshAt = newest.sentAt + max(second, min(share, table.maxAge))
      }
      if newest?.id != oldValue?.id {
        held.invalid = nil
        held.isReported = false
      }
    }
  }
  /// The latest time for the refresh of the newest token.
  var refreshAt = Int64.min
  /// When the last request was sent that brought a token, also if that was an earlier one.
  var lastAnswered = Int64.min
  /// When the last request was sent that brought an earlier token instead of a new one.
  var confirmedAt = Int64.min
  /// The tokens that were replaced because they were not accepted.
  var bad: Set<Int> = []
  /// The tokens that the server has returned.
  var seen: Set<Int> = []
  /// The earliest known expiry of each token.
  var expiries: [Int: Int64] = [:]
  /// When the server returned an earlier token, and until when it needs no other request.
  var repeated: (at: Int64, until: Int64)?
  /// Since when there is no token, and when the server can issue a new one, in real time.
  var gap: (since: Int64, renewal: Int64, issuer: Int)?
  /// The token that the application was last notified of.
  var told: (sentAt: Int64, id: Int)?
  /// What the shell has written last.
  var written: [Int: SimulatedFiles.Content] = [:]
  /// The attempt under way, or the one that is prepared.
  var attempt: Attempt?
  /// The work on its files.
  var work: (number: UInt64, kind: FileWork, token: IssuedToken?, since: Int64)?

  // MARK: Promises

  /// Since when the daemon could act: the time of the last token, restart, resume or change.
  var ableSince: Int64
  /// When its disk was last found to be read-only: no file could be removed.
  var lastReadOnly: Int64 = 0
  /// Whether the previous run left different tokens in its files, of which the engine knows the newest only.
  var hasLeftovers = false
  /// When its files could last not be written.
  var lastDiskTrouble: Int64 = 0
  var lastSend: Int64?
  var wasRefused = false
  var wasAskedToWait = false
  /// The failures in a row of the same kind.
  var failures: (kind: FailureCode.Kind, count: Int)?
  /// The server's last valid response that has arrived.
  var lastHeard: (sentAt: Int64, halfLife: Int64)?
  /// Until when a reader must find a token.
  var promisedUntil = Int64.min
  /// Since when a file is wrong.
  var wrongSince: Int64?
  /// Whether another process has modified a file that the daemon has not examined since.
  var isUnnoticed = false
  /// The time by which a request must be sent, and the reason.
  var mustSend: (by: Int64, why: String)?
  /// The times at which files that another process modified were written again.
  var republished: [Int64] = []
  /// The times at which tokens were accepted.
  var recentlyAccepted: [Int64] = []
  /// Whether the token was published or rejected, so that the daemon can be ready.
  var isSettled = false

  /// The checks of the newest token.
  var held: HeldWatch

  init(_ table: SimulatedTable, at now: Int64) {
    self.table = table
    held = HeldWatch(at: now)
    ableSince = now
  }

  /// The course of the previous token, until the newest one was accepted.
  var former: Course?

  /// What decides whether a token that expired could have had a successor.
  struct Course {
    var newest: IssuedToken?
    var refreshAt: Int64
    var ableSince: Int64
    var lastDiskTrouble: Int64
    var wasRefused: Bool
    var wasAskedToWait: Bool
    var lastHeard: (sentAt: Int64, halfLife: Int64)?
    /// Whether the token was known to be rejected at some time.
    var wasInvalid: Bool
    var acceptedAt: Int64

    init(of watch: Watch, acceptedAt: Int64) {
      newest = watch.newest
      refreshAt = watch.refreshAt
      ableSince = watch.ableSince
      lastDiskTrouble = watch.lastDiskTrouble
      wasRefused = watch.wasRefused
      wasAskedToWait = watch.wasAskedToWait
      lastHeard = watch.lastHeard
      wasInvalid = watch.held.lastInvalid != watch.held.formerInvalid
      self.acceptedAt = acceptedAt
    }
  }
}

/// An attempt for a token.
struct Attempt {
  var number: UInt64
  /// The settings of the attempt.
  var table: SimulatedTable
  /// When it was sent, by the host's boot-time clock and in real time.
  var sent: (boot: Int64, real: Int64)?
  /// Whether a refresh was requested after it was sent.
  var isWantedAgain = false
  /// When a token came, by the host's boot-time clock.
  var answeredAt: Int64?
  /// The limit of one exchange.
  var timeout: Int64 = 0
  /// The settings that can bring a token if those of the attempt fail.
  var reserve: SimulatedTable?
  /// Why the settings of the attempt failed, once those of `reserve` are tried.
  var failure: AcquisitionFailure?
  /// Whether its connection is lost.
  var isCut = false
  /// The token that it brought.
  var token: IssuedToken?
  /// The probes of the token at the API: when the first and the last one began, and the answer to the last one.
  var probe: (first: Int64, last: Int64, answer: SimulatedAPI.Answer?)?
}

/// A unit that waits for its credential.
struct WaitingUnit {
  var token: String
  var since: Int64
  /// When it must be answered.
  var limit: Int64
}
