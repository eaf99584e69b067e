import Dispatch
import FoundationEssentials
import Glibc
import OAuthClient

/// One token's state outside its lifecycle: bytes, files, timer, the attempt under way. Belongs to the broker's queue.
final class TokenKeeper {
  let settings: TokenSettings
  var lifecycle: TokenLifecycle
  /// The newest verified token, while it lives.
  var kept: KeptToken?
  var grant: Grant? { kept?.grant }
  let timer: DeadlineTimer
  /// The attempt under way; a result that carries another number is of settings that no longer hold.
  var attempt = 0
  var task: Task<Void, Never>?
  var ticket: (server: ServerKey, ticket: RequestQueue.Ticket)?
  /// By what the server knew the client last.
  var proof: ClientProof?
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

  /// The tokens that some file may hold: more than one only while the newest could not be put into all of them.
  private var mayBeVisible: [KeptToken] = []
  private var files: [PublishedFile]
  private var stateFile: PublishedFile

  init(_ settings: TokenSettings, allowsPersistentStorage: Bool, seed: UInt64, timer: DeadlineTimer) {
    self.settings = settings
    self.timer = timer
    lifecycle = TokenLifecycle(seed: seed)
    files = settings.outputs.map {
      PublishedFile(path: $0.path, mode: $0.mode, allowsPersistentStorage: allowsPersistentStorage)
    }
    stateFile = PublishedFile(path: settings.statePath, mode: 0o600, allowsPersistentStorage: allowsPersistentStorage)
  }

  var server: ServerKey { ServerKey(issuer: settings.issuer, transport: settings.transport) }

  /// When a token is refreshed and when it ends. This host's and token's place in the spread is the same after a restart.
  func plan(_ grant: Grant) -> HeldToken {
    RefreshSchedule(fraction: settings.refreshAt, jitter: HostJitter.share(of: settings.name))
      .plan(requestedAt: grant.requestedAt.boot, lifetime: grant.lifetime)
  }

  var directories: Set<String> { Set(files.map(\.directory)) }
  var paths: [String] { files.map(\.path) + [stateFile.path] }
  var isUndisturbed: Bool { files.allSatisfy(\.isUndisturbed) }

  /// Checks that the files could be written.
  func prepare() throws(PublicationFailure) {
    for file in files + [stateFile] { try file.prepare() }
  }

  /// Takes over the files as they are.
  ///
  /// - Returns: whether they hold what they should, with the mode they should have.
  func adoptFiles(_ kept: KeptToken) -> Bool {
    let grant = kept.grant
    mayBeVisible = [kept]
    var areRight = true
    for index in files.indices {
      var status = stat()
      let mode = lstat(files[index].path, &status) == 0 ? status.st_mode & 0o7777 : 0
      let content = try? PrivateFile.read(files[index].path, maximum: 1 << 18)
      if mode == files[index].mode, content == RenderedToken.content(of: grant, as: settings.outputs[index]) {
        files[index].adopt()
      } else {
        areRight = false
      }
    }
    return areRight
  }

  /// Puts the newest token into every file, in the order of the config file, after what the next run needs to take it over, whatever
  /// comes in between.
  ///
  /// - Throws: the first failure, after all were tried: a file that cannot be written takes nothing from the others.
  func publish() throws(PublicationFailure) {
    guard let kept else { return }
    let grant = kept.grant
    mayBeVisible.removeAll { $0.grant.requestedAt.boot == grant.requestedAt.boot }
    mayBeVisible = [kept] + mayBeVisible.prefix(2)
    if let encoded = try? JSONEncoder().encode(TokenState(mayBeVisible, bootID: BootID.current)) {
      // Readers do not need it: that it cannot be written costs a request after the next restart, no more.
      try? Secret(encoded).withBytes { bytes throws(PublicationFailure) in try stateFile.replace(with: bytes) }
    }
    var failure: PublicationFailure?
    for index in files.indices {
      let content = RenderedToken.content(of: grant, as: settings.outputs[index])
      do throws(PublicationFailure) {
        try content.withBytes { bytes throws(PublicationFailure) in try files[index].replace(with: bytes) }
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    mayBeVisible = [kept]
  }

  /// Removes every file.
  ///
  /// - Throws: the first failure, after all were tried.
  func withdraw() throws(PublicationFailure) {
    var failure: PublicationFailure?
    for index in files.indices {
      do throws(PublicationFailure) { try files[index].remove() } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
    mayBeVisible = []
    try? stateFile.remove()
  }

  /// Removes the files that are not among `paths`.
  func withdraw(except paths: Set<String>) {
    for index in files.indices where !paths.contains(files[index].path) { try? files[index].remove() }
    if !paths.contains(stateFile.path) { try? stateFile.remove() }
  }

  /// Takes over the life of a keeper whose settings were replaced.
  func inherit(from former: TokenKeeper) {
    lifecycle = former.lifecycle
    kept = former.kept
    mayBeVisible = former.mayBeVisible
    attempt = former.attempt
    requests = former.requests
    tally = former.tally
    lastFailure = former.lastFailure
    skew = former.skew
    announced = former.announced
    if !settings.proves(differentlyFrom: former.settings) { proof = former.proof }
    for index in files.indices {
      if let same = former.files.firstIndex(where: { $0.path == files[index].path && $0.mode == files[index].mode }) {
        files[index] = former.files[same]
      }
    }
  }

  /// What to ask with, read now: a secret that was rotated in its file is used at once.
  ///
  /// - Throws: `credentials` if a secret or key cannot be read.
  func request() throws(AcquisitionFailure) -> TokenRequest {
    try settings.request(preferring: proof)
  }
}

/// Which authorization server, by name and by the way to it.
struct ServerKey: Hashable {
  var issuer: String
  var transport: TransportSettings
}
