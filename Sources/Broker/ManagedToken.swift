import Base
import Dispatch
import Engine
import Files
import FoundationEssentials
import Glibc
import HTTP
import OAuth
import Publication
import Settings

/// One token's state outside its lifecycle: bytes, files, timer, the attempt under way. Belongs to the broker's queue.
final class ManagedToken {
  let settings: TokenSettings
  var lifecycle: TokenLifecycle
  /// The newest verified token, while it lives.
  var kept: TokenRecord?
  var verifiedToken: VerifiedToken? { kept?.verifiedToken }
  let timer: DeadlineTimer
  /// The attempt under way, by the broker's count; a result that carries another number does not count.
  var attempt: UInt64 = 0
  /// The request that waits for its issuer's turn, if the secrets for it stand in files.
  var prepared: TokenRequest?
  var task: Task<Void, Never>?
  var permit: (server: ServerKey, permit: RequestQueue.Permit)?
  /// By what the server knew the client last.
  var clientAuthentication: ClientAuthentication?
  /// Its files were removed because the token is revoked: the daemon is about to end.
  var isWithdrawnForGood = false
  var requests = 0
  var tally = RequestTally()
  var successes: Int { tally.successes }
  var lastFailure: (failure: AcquisitionFailure, at: Moment)?
  var skew: Duration?
  /// The token that the process of `signal` was told of last, by the time it was asked for.
  var announced: BootTime?
  /// Why it could not be told, if it could not.
  var signalFailure: ReaderSignal.Failure?

  /// Its files.
  var files: TokenFiles
  /// What goes on with them beside the broker, if they may be on a disk.
  var lane = FileLane()
  /// Why the state file could not be written, as it was last reported.
  var stateFailure: PublicationFailure?

  init(_ settings: TokenSettings, allowsPersistentStorage: Bool, seed: UInt64, timer: DeadlineTimer) {
    self.settings = settings
    self.timer = timer
    lifecycle = TokenLifecycle(seed: seed)
    files = TokenFiles(settings, allowsPersistentStorage: allowsPersistentStorage)
  }

  var server: ServerKey { ServerKey(issuer: settings.issuer, transport: settings.transport) }

  /// When a token is refreshed and when it ends. This host's and token's place in the spread is the same after a restart.
  func plan(_ verifiedToken: VerifiedToken) -> TokenTimes {
    RefreshSchedule(fraction: settings.refreshAt, jitter: HostJitter.share(of: settings.name))
      .plan(requestedAt: verifiedToken.requestedAt.boot, lifetime: verifiedToken.lifetime)
  }

  /// Takes over the life of a keeper whose settings were replaced.
  func inherit(from former: ManagedToken) {
    lifecycle = former.lifecycle
    kept = former.kept
    files.inherit(from: former.files)
    lane = former.lane
    stateFailure = former.stateFailure
    requests = former.requests
    tally = former.tally
    lastFailure = former.lastFailure
    skew = former.skew
    announced = former.announced
    if !settings.authenticates(differentlyFrom: former.settings) { clientAuthentication = former.clientAuthentication }
  }
}

/// Which authorization server, by name and by the way to it.
struct ServerKey: Hashable {
  var issuer: String
  var transport: TransportSettings
}
