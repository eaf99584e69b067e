import Base
import Engine
import Files
import OAuth
import Publication
import Settings

/// One token of the configuration: its settings, bytes and files. Its lifecycle is in the engine.
///
/// Each part belongs to one type, and only this type changes it. The properties name the types.
@BrokerActor final class ManagedToken {
  let settings: TokenSettings
  /// The newest verified token; `nil` when it has expired.
  private(set) var record: TokenRecord?

  /// The history of its requests: `RequestSender`.
  var history = RequestHistory()
  /// Whether the settings have brought a token: `RequestSender`.
  private(set) var haveSettingsWorked = false
  /// The secrets from files that brought the last token by these settings: `RequestSender`.
  private var credentials: KeptCredentials?
  /// The request of previous settings, if it brought the last token: `RequestSender`.
  private var previous: WorkingRequest?
  /// The failures of `working` in a row, and until when it is not sent again: `RequestSender`.
  private(set) var hold: (failures: Int, until: BootTime)?
  /// Whether `working` brought the newest token, as the present request fails: `RequestSender`.
  private(set) var hasFallenBack = false
  /// Its files: `TokenPublisher`.
  var files: TokenFiles
  /// Why the state file could not be written, by the last report: `TokenPublisher`.
  var stateFailure: PublicationFailure?
  /// The signals to the process of `signal`: `ReaderNotifier`.
  var notification = ReaderNotification()
  /// When the API accepted a token last, seconds since 1970: `HeldTokenChecker`.
  var apiAcceptedAt: Double?
  /// Whether its files were removed because it is revoked: `TokenRevocation`. The process is about to end.
  var isRevokedAtStop = false

  init(_ settings: TokenSettings, allowsPersistentStorage: Bool) {
    self.settings = settings
    files = TokenFiles(settings, allowsPersistentStorage: allowsPersistentStorage)
  }

  var name: String { settings.name }
  var server: ServerKey { ServerKey(of: settings) }
  var verifiedToken: VerifiedToken? { record?.verifiedToken }

  /// Makes `record` the newest token.
  func take(_ record: TokenRecord) { self.record = record }

  /// The request that brought the last token, if the present one may differ from it.
  var working: WorkingRequest? {
    previous ?? credentials.map { WorkingRequest(settings, $0, preferring: history.clientAuthentication) }
  }

  /// The request that brought the last token, or that of the settings if none has.
  var lastRequest: WorkingRequest {
    working ?? WorkingRequest(settings, nil, preferring: history.clientAuthentication)
  }

  /// Notes that the settings have brought a token.
  ///
  /// - Parameter request: the request, if it has secrets from files.
  func noteSuccess(of request: TokenRequest?) {
    haveSettingsWorked = true
    credentials = request.map(KeptCredentials.init)
    (previous, hold, hasFallenBack) = (nil, nil, false)
  }

  /// Uses the settings that brought tokens in the previous run until the present ones have brought one.
  func use(_ former: TokenSettings) {
    let request = WorkingRequest(former, nil, preferring: nil)
    if settings.asks(differentlyFrom: former), request.trusts(like: settings) { previous = request }
  }

  /// Notes that `working` brought a token.
  func noteFallback() { (hasFallenBack, hold) = (true, nil) }

  /// Notes that `working` brought no token either, so that it is sent again later.
  ///
  /// - Parameter remaining: the remaining lifetime of the newest token; `nil` if there is none.
  func noteFailure(ofWorking failure: AcquisitionFailure, remaining: Duration?, at now: BootTime) {
    let failures = (hold?.failures ?? 0) + 1
    var random = SplitMix64(seed: .random(in: .min ... .max))
    let wait = RetryBackoff.delay(after: failure, failures: failures, remaining: remaining, using: &random)
    hold = (failures, now + wait)
  }

  /// The use of previous settings or secrets, for the administrator; `nil` if the present ones are in use.
  var fallback: String? {
    guard hasFallenBack else { return nil }
    return haveSettingsWorked
      ? "the present secret brings no token, and the previous one is in use"
      : "the present settings bring no token, and the previous ones are in use"
  }

  /// Drops the bytes of a token that has expired.
  func dropRecord() {
    record = nil
    hasFallenBack = false
  }

  /// Continues the lifecycle of a token whose settings were replaced.
  func inherit(from former: ManagedToken) {
    record = former.record
    files.inherit(from: former.files)
    stateFailure = former.stateFailure
    history = former.history
    let last = former.haveSettingsWorked ? former.lastRequest : former.working
    let working = last.flatMap { $0.trusts(like: settings) ? $0 : nil }
    haveSettingsWorked = working.map { !settings.asks(differentlyFrom: $0.settings) } ?? false
    if haveSettingsWorked, former.haveSettingsWorked { credentials = former.credentials } else { previous = working }
    if !former.haveSettingsWorked || haveSettingsWorked { hold = former.hold }
    hasFallenBack = former.hasFallenBack && haveSettingsWorked == former.haveSettingsWorked
    if settings.apiURL == former.settings.apiURL { apiAcceptedAt = former.apiAcceptedAt }
    if settings.authenticates(differentlyFrom: former.settings) { history.clientAuthentication = nil }
    notification.inherit(from: former.notification)
  }
}

/// The managed tokens by name.
@BrokerActor final class ManagedTokens {
  private var tokens: [String: ManagedToken] = [:]
  /// Tokens with new settings, which the engine has not received yet.
  private var staged: [String: ManagedToken] = [:]

  nonisolated init() {}

  subscript(_ name: String) -> ManagedToken? { tokens[name] }

  var names: [String] { Array(tokens.keys) }
  var all: [ManagedToken] { Array(tokens.values) }

  /// Holds a token until the engine manages it.
  func stage(_ token: ManagedToken) { staged[token.name] = token }

  /// Begins to manage the staged token of this name; returns it.
  func manage(_ name: String) -> ManagedToken? {
    guard let token = staged.removeValue(forKey: name) else { return nil }
    tokens[name] = token
    return token
  }

  /// Stops managing the token; returns it.
  func remove(_ name: String) -> ManagedToken? { tokens.removeValue(forKey: name) }
}
