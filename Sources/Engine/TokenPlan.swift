/// An issuer with the settings of its connection. Tokens with the same one share a request queue.
public struct ServerID: Hashable, Sendable {
  /// A number that the caller chose.
  public var number: Int

  /// The issuer with this number.
  public init(_ number: Int) {
    self.number = number
  }
}

/// How a held token is verified again.
public enum HeldTokenVerification: Hashable, Sendable {
  /// By the issuer's key set.
  case keySet
  /// By introspection.
  case introspection
  /// Not at all.
  case none
}

/// The settings of one token that decide when something is done.
public struct TokenPlan: Hashable, Sendable {
  /// The name of its table.
  public var name: String
  /// The issuer that it is requested from.
  public var server: ServerID
  /// When it is refreshed.
  public var schedule: RefreshSchedule
  /// The configured limit of one exchange.
  public var timeout: Duration
  /// Whether a request reads files, which can hang.
  public var readsFiles = false
  /// Whether the token's own files can hang. If not, they are in memory.
  public var mayHang = false
  /// The path of the first file, for messages.
  public var path = ""
  /// The shortest remaining lifetime of a credential.
  public var minValidity = Duration.zero
  /// Whether a stop revokes the token.
  public var revokesOnStop = false
  /// How a held token is verified again.
  public var verification = HeldTokenVerification.none
  /// How often a held token is verified again.
  public var recheckInterval = Duration.seconds(900)
  /// Whether a token is tried at the API.
  public var probesAPI = false

  /// A plan of the given values.
  public init(name: String, server: ServerID, schedule: RefreshSchedule, timeout: Duration) {
    self.name = name
    self.server = server
    self.schedule = schedule
    self.timeout = timeout
  }
}

/// What new settings change for a token that is managed already.
public struct TokenChange: Hashable, Sendable {
  /// Whether the server would issue another token, or would be reached in another way.
  public var needsNewToken: Bool
  /// Whether the token is published in other files.
  public var movesFiles: Bool
  /// Whether tokens are tried at another API.
  public var movesAPI: Bool

  /// A change of the given kind.
  public init(needsNewToken: Bool, movesFiles: Bool, movesAPI: Bool = false) {
    self.needsNewToken = needsNewToken
    self.movesFiles = movesFiles
    self.movesAPI = movesAPI
  }
}

/// Settings that a reload compares.
public protocol PlannedSettings: Equatable {
  /// The name of the token's table.
  var name: String { get }
  /// What these settings change for a token that had the settings `former`.
  func change(from former: Self) -> TokenChange
}

/// Which tokens a reload drops, changes and adds. A reload does not affect the others.
public struct ReloadPlan<Settings: PlannedSettings> {
  /// The tables that do not exist any more.
  public private(set) var removed: [String] = []
  /// Tables whose settings changed.
  public private(set) var changed: [(settings: Settings, change: TokenChange)] = []
  /// New tables.
  public private(set) var added: [Settings] = []

  /// Compares the tables in effect with those of the new configuration.
  ///
  /// - Parameter isStorageChanged: whether a setting for all tables changed how files are written.
  public init(from current: [Settings], to new: [Settings], isStorageChanged: Bool = false) {
    let known = Dictionary(current.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let names = Set(new.map(\.name))
    removed = current.map(\.name).filter { !names.contains($0) }
    for settings in new {
      guard let former = known[settings.name] else {
        added.append(settings)
        continue
      }
      guard isStorageChanged || former != settings else { continue }
      changed.append((settings, settings.change(from: former)))
    }
  }
}
