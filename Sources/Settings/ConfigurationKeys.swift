import TOML

/// All keys of a configuration file.
public enum ConfigurationKeys {
  /// A key, as the manual describes it.
  public struct Entry: Hashable, Sendable {
    /// Its table: `daemon`, `token.NAME`, or a table within `token.NAME`. Those are `introspection`, `output` and
    /// `signal`.
    public var table: String
    /// The key.
    public var name: String
    /// The type of the value: "a string", "true or false".
    public var type: String
    /// The default in TOML; `nil` if there is none.
    public var defaultValue: String?
  }

  /// Every key, table by table.
  public static let all: [Entry] =
    entries("daemon", daemon) + entries("token.NAME", token) + entries("token.NAME.introspection", introspection)
    + entries("token.NAME.output", output) + entries("token.NAME.signal", signal)

  /// The keys of `[daemon]`.
  static let daemon: [ConfigurationKey<DaemonSettings>] = [
    ConfigurationKey("log_level", .choice(), default: "\"info\"", sets: \.logLevel),
    ConfigurationKey("log_format", .choice(), default: "\"auto\"", sets: \.logFormat),
    ConfigurationKey("allow_persistent_storage", .boolean, default: "false", sets: \.allowPersistentStorage),
    ConfigurationKey("allow_group_read", .boolean, default: "false", sets: \.allowGroupRead),
    ConfigurationKey("max_requests", .integer(1...1000), default: "4", sets: \.maxRequests),
    ConfigurationKey("metrics_file", .metricsPath, sets: \.metricsFile),
    ConfigurationKey("credential_socket", .socketPath, sets: \.credentialSocket),
  ]

  /// The keys of `[token.NAME]`.
  static let token: [ConfigurationKey<TokenDraft>] = [
    ConfigurationKey("issuer", .issuer, sets: \.settings.issuer),
    ConfigurationKey("discovery_url", .serverURL, sets: \.settings.locations.discovery),
    ConfigurationKey("token_endpoint", .serverURL, sets: \.settings.locations.tokenEndpoint),
    ConfigurationKey("jwks_uri", .serverURL, sets: \.settings.locations.jwksURI),
    ConfigurationKey("introspection_endpoint", .serverURL, sets: \.settings.locations.introspectionEndpoint),
    ConfigurationKey("revocation_endpoint", .serverURL, sets: \.settings.locations.revocationEndpoint),
    ConfigurationKey("client_id", .clientID, sets: \.settings.clientID),
    ConfigurationKey(
      "client_auth", .choice(), default: "\"client_secret_post\"", sets: \.settings.clientAuthentication),
    ConfigurationKey("client_secret", .secrets, isSecret: true, sets: \.literalSecrets),
    ConfigurationKey("client_secret_file", .secretFiles, sets: \.secretFiles),
    ConfigurationKey("basic_encoding", .choice(), default: "\"auto\"", sets: \.settings.basicEncoding),
    ConfigurationKey("private_key_file", .inputPath, sets: \.settings.privateKeyFile),
    ConfigurationKey("key_id", .visibleText, sets: \.settings.keyID),
    ConfigurationKey("assertion_algorithm", .choice(), sets: \.settings.assertionAlgorithm),
    ConfigurationKey(
      "assertion_audience", .choice(), default: "\"token_endpoint\"", sets: \.settings.assertionAudience),
    ConfigurationKey("assertion_certificate_file", .inputPath, sets: \.settings.assertionCertificateFile),
    ConfigurationKey("client_certificate_file", .inputPath, sets: \.settings.clientCertificateFile),
    ConfigurationKey("client_key_file", .inputPath, sets: \.settings.clientKeyFile),
    ConfigurationKey("scope", .scope, default: "\"tamarack\"", sets: \.settings.scope),
    ConfigurationKey("resource", .resources, sets: \.settings.resource),
    ConfigurationKey("request_audience", .visibleText, sets: \.settings.requestAudience),
    ConfigurationKey("extra_parameters", .parameters, isSecret: true, sets: \.settings.extraParameters),
    ConfigurationKey("timeout", .duration(.seconds(1) ... .seconds(300)), default: "\"30s\"", sets: \.settings.timeout),
    ConfigurationKey("ca_file", .inputPath, sets: \.settings.caFile),
    ConfigurationKey("pinned_public_key", .publicKeyPins, sets: \.settings.pinnedPublicKey),
    ConfigurationKey("proxy", .proxy, isSecret: true, sets: \.settings.proxy),
    ConfigurationKey("audience", .textsOrNone, default: "\"tamarack\"", sets: \.settings.audience),
    ConfigurationKey("verify", .choice(), default: "\"jwt\"", sets: \.settings.verification),
    ConfigurationKey("access_token_issuer", .visibleText, sets: \.settings.accessTokenIssuer),
    ConfigurationKey("token_type", .tokenTypes, default: "\"Bearer\"", sets: \.settings.tokenTypes),
    ConfigurationKey("require_at_jwt", .boolean, default: "false", sets: \.settings.requiresAccessTokenType),
    ConfigurationKey("refresh_at", .fraction(0.1...0.9), default: "0.5", sets: \.settings.refreshAt),
    ConfigurationKey(
      "max_age", .duration(.seconds(60) ... .seconds(366 * 86_400)), default: "\"1d\"", sets: \.settings.maxAge),
    ConfigurationKey(
      "recheck_interval", .duration(.seconds(60) ... .seconds(86_400)), default: "\"15m\"",
      sets: \.settings.recheckInterval),
    ConfigurationKey("api_url", .apiURL, sets: \.settings.apiURL),
    ConfigurationKey("revoke_on_stop", .boolean, default: "false", sets: \.settings.revokesOnStop),
    ConfigurationKey("file", .outputPath, default: "\"/run/konexus-tokend/NAME.token\"", sets: \.file),
    ConfigurationKey("mode", .fileMode, default: "\"0640\"", sets: \.mode),
    ConfigurationKey("allow_units", .unitGlobs, sets: \.settings.allowUnits),
    ConfigurationKey(
      "min_validity", .duration(.zero ... .seconds(3600)), default: "\"60s\"", sets: \.settings.minValidity),
  ]

  /// The keys of `[token.NAME.introspection]`: a client and its credentials, as in `[token.NAME]`.
  ///
  /// A certificate is not among them. It belongs to the connection, and the client has one for all its requests.
  static let introspection: [ConfigurationKey<TokenDraft>] =
    [ConfigurationKey("client_auth", .choice(), default: "\"auto\"", sets: \.settings.clientAuthentication)]
    + token.filter {
      [
        "client_id", "client_secret", "client_secret_file", "basic_encoding", "private_key_file", "key_id",
        "assertion_algorithm", "assertion_audience", "assertion_certificate_file",
      ].contains($0.name)
    }

  /// The keys of `[[token.NAME.output]]`.
  static let output: [ConfigurationKey<OutputDraft>] = [
    ConfigurationKey("format", .choice(), default: "\"raw\"", sets: \.format),
    ConfigurationKey("path", .outputPath, sets: \.path),
    ConfigurationKey("mode", .fileMode, sets: \.mode),
    ConfigurationKey("variable", .environmentVariable, sets: \.variable),
    ConfigurationKey("template", .template, sets: \.template),
  ]

  /// The keys of `signal = { ... }` in `[token.NAME]`.
  static let signal: [ConfigurationKey<SignalDraft>] = [
    ConfigurationKey("pid_file", .outputPath, sets: \.pidFile),
    ConfigurationKey("signal", .choice(), default: "\"HUP\"", sets: \.name),
  ]

  private static func entries<Settings>(_ table: String, _ keys: [ConfigurationKey<Settings>]) -> [Entry] {
    keys.map { Entry(table: table, name: $0.name, type: $0.type, defaultValue: $0.defaultValue) }
  }
}

/// The declaration of a key. The reader, the suggestions, the manual and the tests use it.
struct ConfigurationKey<Settings>: Sendable {
  let name: String
  /// The type of the value, for messages and the manual.
  let type: String
  /// The default in TOML; `nil` if there is none.
  let defaultValue: String?
  /// Whether the value must not appear in messages.
  let isSecret: Bool
  private let assign: @Sendable (TOMLNode, SettingContext, inout Settings) throws(SettingFault) -> Void

  init<Value>(
    _ name: String, _ type: SettingType<Value>, default defaultValue: String? = nil, isSecret: Bool = false,
    sets path: any WritableKeyPath<Settings, Value> & Sendable
  ) {
    self.name = name
    self.type = type.name
    self.defaultValue = defaultValue
    self.isSecret = isSecret
    assign = { node, context, settings throws(SettingFault) in settings[keyPath: path] = try type.read(node, context) }
  }

  init<Value>(
    _ name: String, _ type: SettingType<Value>, default defaultValue: String? = nil, isSecret: Bool = false,
    sets path: any WritableKeyPath<Settings, Value?> & Sendable
  ) {
    self.name = name
    self.type = type.name
    self.defaultValue = defaultValue
    self.isSecret = isSecret
    assign = { node, context, settings throws(SettingFault) in settings[keyPath: path] = try type.read(node, context) }
  }

  /// Reads `node` into `settings`.
  func apply(
    _ node: TOMLNode, file: String, directory: String, credentialSources: [String: String] = [:],
    to settings: inout Settings
  ) throws(SettingFault) {
    let context = SettingContext(
      file: file, directory: directory, isSecret: isSecret, credentialSources: credentialSources)
    try assign(node, context, &settings)
  }
}

/// The values of a `[token.NAME]` table as they are in the file.
struct TokenDraft {
  var settings: TokenSettings
  var literalSecrets: [SecretSource] = []
  var secretFiles: [SecretSource] = []
  var file: String?
  var mode: UInt32 = 0o640
}

/// The values of a `[[token.NAME.output]]` table.
struct OutputDraft {
  var format = TokenOutput.Format.raw
  var path: String?
  var mode: UInt32?
  var variable: String?
  var template: OutputTemplate?
}

/// The values of a `signal` table.
struct SignalDraft {
  var pidFile: String?
  var name = ReaderSignal.Name.hup
}
