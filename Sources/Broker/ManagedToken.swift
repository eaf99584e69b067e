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
  var server: ServerKey {
    ServerKey(issuer: settings.issuer, locations: settings.locations, transport: settings.transport)
  }
  var verifiedToken: VerifiedToken? { record?.verifiedToken }

  /// Makes `record` the newest token.
  func take(_ record: TokenRecord) { self.record = record }

  /// Drops the bytes of a token that has expired.
  func dropRecord() { record = nil }

  /// Continues the lifecycle of a token whose settings were replaced.
  func inherit(from former: ManagedToken) {
    record = former.record
    files.inherit(from: former.files)
    stateFailure = former.stateFailure
    history = former.history
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
