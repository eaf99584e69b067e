import Base
package import Files
public import HTTP
public import OAuth

/// The settings of one token: a `[token.NAME]` table.
public struct TokenSettings: Hashable, Sendable {
  /// The NAME of the table: lower-case letters, digits, `_` and `-`, at most 63.
  public var name: String

  // MARK: The server and the client

  /// The authorization server's issuer identifier (OpenID Connect Discovery 1.0, RFC 8414).
  public var issuer: String
  /// The addresses that replace those of the discovery document.
  public var locations = ServerLocations()
  /// The client identifier (RFC 6749, 2.2).
  public var clientID: String
  /// The client authentication method.
  public var clientAuthentication: ClientAuthenticationMethod = .post
  /// The client secrets: the current one and, during a rotation, the next one.
  public var secrets: [SecretSource] = []
  /// The encoding of `client_secret_basic`.
  public var basicEncoding: BasicEncoding = .auto
  /// The absolute path of the PEM file with the key that signs client assertions.
  public var privateKeyFile: String?
  /// The `kid` in the assertion's header, if the server requires one.
  public var keyID: String?
  /// The algorithm of client assertions; `nil` for one that the server's metadata and the key support.
  public var assertionAlgorithm: SignatureAlgorithm?
  /// The assertion's `aud`.
  public var assertionAudience: AssertionAudience = .tokenEndpoint
  /// The absolute path of the PEM file with the certificate of that key, which assertions name by `x5t`.
  public var assertionCertificateFile: String?
  /// The client that introspects the token; `nil` if the client itself does.
  public var introspectionClient: ClientSettings?
  /// The absolute path of the PEM file with the client's TLS certificate.
  public var clientCertificateFile: String?
  /// The absolute path of the PEM file with its private key; `nil` if the certificate's file has it.
  public var clientKeyFile: String?

  /// Whether the group can read secret files: `allow_group_read` in `[daemon]`.
  public var allowsGroupRead = false

  // MARK: The request

  /// The requested scope (RFC 6749, 3.3). If it is empty, no scope is sent and the server decides.
  public var scope: [String] = ["tamarack"]
  /// The requested resources (RFC 8707), sent as `resource`.
  public var resource: [String] = []
  /// The value of the parameter `audience`, which some servers need.
  public var requestAudience: String?
  /// Additional parameters of the token request.
  public var extraParameters: [String: String] = [:]
  /// The time limit for one HTTP exchange, 1 s ... 5 min.
  public var timeout: Duration = .seconds(30)
  /// The absolute path of a PEM file with CA certificates that replace the system's.
  public var caFile: String?
  /// The server's public key pins in curl's format: `sha256//BASE64`, several separated by `;`.
  public var pinnedPublicKey: String?
  /// The proxy.
  public var proxy: ProxySetting = .environment

  // MARK: The token

  /// The accepted audiences: `aud` must contain one of them. If there are none, only a token without `aud` is accepted.
  public var audience: [String] = ["tamarack"]
  /// How the token is verified.
  public var verification: TokenVerification = .jwt
  /// The `iss` that tokens must have in place of `issuer`.
  public var accessTokenIssuer: String?
  /// The accepted values of `token_type`, beside `Bearer`. If there are none, it can be missing.
  public var tokenTypes: [String] = [TokenType.bearer]
  /// Whether its `typ` must be `at+jwt` (RFC 9068, 2.1).
  public var requiresAccessTokenType = false
  /// The fraction of a token's lifetime after which it is refreshed, 0.1 ... 0.9.
  public var refreshAt = 0.5
  /// The maximum time from a token's request to the request for the next one, 1 min ... 366 d.
  public var maxAge: Duration = .seconds(86_400)
  /// How often a held token is verified again by the issuer's current key set, or by introspection, 1 min ... 1 d.
  ///
  /// Tokens of one issuer share its key set. The smallest of their intervals holds for all of them.
  public var recheckInterval: Duration = .seconds(15 * 60)
  /// The URL of the API that new tokens are tried on; `nil` for no such probe.
  public var apiURL: Endpoint?
  /// Whether the token is revoked when the daemon stops (RFC 7009).
  public var revokesOnStop = false

  // MARK: Its readers

  /// The files for the token. Never empty; the first one is always raw.
  public var outputs: [TokenOutput] = []
  /// The units that can get the token from the credential socket: names or globs, as in `sync@*.service`.
  public var allowUnits: [String] = []
  /// The minimum remaining lifetime of a token from the credential socket, 0 s ... 1 h.
  public var minValidity: Duration = .seconds(60)
  /// The process that gets a signal after each new token.
  public var signal: ReaderSignal?

  /// A token with default settings.
  public init(name: String, issuer: String = "", clientID: String = "") {
    self.name = name
    self.issuer = issuer
    self.clientID = clientID
  }
}

/// A file for a token.
public struct TokenOutput: Hashable, Sendable {
  /// The format of the file's content.
  public enum Format: String, CaseIterable, Hashable, Sendable {
    /// The token without a line break.
    case raw
    /// One line, `Authorization: Bearer TOKEN`, for `curl -H @FILE`.
    case header
    /// An object with access_token, token_type, scope, issued_at and expires_at.
    case json
    /// One line, `VARIABLE=TOKEN`, for `EnvironmentFile=`.
    case env
    /// A text of the administrator's own with placeholders, for the configuration files of other programs.
    case template

    /// The extension of the default file name.
    package var fileExtension: String {
      switch self {
      case .raw: "token"
      case .template: "conf"
      case .header, .json, .env: rawValue
      }
    }
  }

  /// The absolute path, without `.`, `..` and double slashes.
  public var path: String
  /// The file's permission bits.
  public var mode: UInt32
  /// The format of the content.
  public var format: Format
  /// The variable's name for `.env`; `nil` for other formats.
  public var variable: String?
  /// The text for `.template`; `nil` for other formats.
  public var template: OutputTemplate?

  /// An output of the given values.
  public init(
    path: String, mode: UInt32 = 0o640, format: Format = .raw, variable: String? = nil, template: OutputTemplate? = nil
  ) {
    self.path = path
    self.mode = mode
    self.format = format
    self.variable = variable
    self.template = template
  }
}

/// A process that gets a signal after each new token: `signal = { pid_file = "PATH", signal = "HUP" }`.
public struct ReaderSignal: Hashable, Sendable {
  /// The signals that programs commonly use for a reload.
  public enum Name: String, CaseIterable, Hashable, Sendable {
    case hup = "HUP"
    case usr1 = "USR1"
    case usr2 = "USR2"
    case int = "INT"
    case term = "TERM"
  }

  /// The absolute path of a file with the process id as a decimal number.
  public var pidFile: String
  /// The signal.
  public var name: Name

  /// A signal of the given values.
  public init(pidFile: String, name: Name = .hup) {
    self.pidFile = pidFile
    self.name = name
  }
}

extension TokenSettings {
  /// What these settings accept although it is not accepted by default, each with its setting, for the status.
  package var exceptions: [String] {
    func quoted(_ values: [String]) -> String {
      let quoted = values.map(Printable.quotedJSON)
      return quoted.count == 1 ? quoted[0] : "[\(quoted.joined(separator: ", "))]"
    }
    var exceptions: [String] = []
    if audience.isEmpty { exceptions.append("tokens without \"aud\" are accepted (audience = [])") }
    if !TokenType.includes([TokenType.bearer], allOf: tokenTypes) {
      let what = tokenTypes.isEmpty ? "responses without token_type are" : "another token_type than Bearer is"
      exceptions.append("\(what) accepted (token_type = \(quoted(tokenTypes)))")
    }
    return exceptions
  }

  /// The files that a request needs.
  package var inputFiles: [String] {
    client.inputFiles + (introspectionClient?.inputFiles ?? [])
      + [clientCertificateFile, clientKeyFile, caFile].compactMap(\.self)
  }

  /// The path of the state file for the next run. It is in the directory of the token's first output, and for the
  /// daemon only.
  package var statePath: String {
    outputs.first.map { Self.statePath(of: name, besides: $0.path) } ?? ""
  }

  /// The state file's path for a token whose first output is `output`.
  package static func statePath(of name: String, besides output: String) -> String {
    FilePath.directory(of: output) + "/\(name).state"
  }

  /// The files that the daemon writes for the token: its outputs and its state file.
  package func publishedFiles(allowsPersistentStorage: Bool) -> (outputs: [PublishedFile], state: PublishedFile) {
    (
      outputs.map { PublishedFile(path: $0.path, mode: $0.mode, allowsPersistentStorage: allowsPersistentStorage) },
      PublishedFile(path: statePath, mode: 0o600, allowsPersistentStorage: allowsPersistentStorage)
    )
  }

  /// Checks that the files can be written.
  func prepareOutputs(allowsPersistentStorage: Bool) throws(PublicationFailure) {
    let (outputs, state) = publishedFiles(allowsPersistentStorage: allowsPersistentStorage)
    for file in outputs + [state] { try file.prepare() }
  }
}
