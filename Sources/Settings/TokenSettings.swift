import Base
package import Files
public import HTTP
public import OAuth

/// How one token is got and where it goes: a `[token.NAME]` table.
public struct TokenSettings: Hashable, Sendable {
  /// The NAME of the table: lower-case letters, digits, `_` and `-`, at most 63.
  public var name: String

  // MARK: The server and the client

  /// The authorization server, exactly as it names itself (OpenID Connect Discovery 1.0, RFC 8414).
  public var issuer: String
  /// RFC 6749, 2.2.
  public var clientID: String
  /// How the client proves who it is.
  public var clientAuthentication: ClientAuthenticationMethod = .post
  /// The client secrets, at most two: the current one and the next.
  public var secrets: [SecretSource] = []
  /// How they are written with `client_secret_basic`.
  public var basicEncoding: BasicEncoding = .auto
  /// The PEM file of the key that signs client assertions, absolute path.
  public var privateKeyFile: String?
  /// The `kid` in the assertion's header, if the server wants one.
  public var keyID: String?
  /// What assertions are signed by; nil: what the server's metadata names and the key can.
  public var assertionAlgorithm: SignatureAlgorithm?
  /// The assertion's `aud`.
  public var assertionAudience: AssertionAudience = .tokenEndpoint
  /// The PEM file of the client's certificate for TLS, absolute path.
  public var clientCertificateFile: String?
  /// The PEM file of its private key, absolute path; nil if the certificate's file holds it too.
  public var clientKeyFile: String?

  /// Whether the files with secrets may be readable by their group: `allow_group_read` in `[daemon]`.
  public var allowsGroupRead = false

  // MARK: The request

  /// The scope to ask for (RFC 6749, 3.3); empty: none is sent, the server decides.
  public var scope: [String] = ["tamarack"]
  /// RFC 8707: the resources that the token is for, sent as `resource`.
  public var resource: [String] = []
  /// Sent as `audience`, which some servers want.
  public var requestAudience: String?
  /// Further parameters of the token request.
  public var extraParameters: [String: String] = [:]
  /// The longest that one whole HTTP exchange may take, 1 s ... 5 min.
  public var timeout: Duration = .seconds(30)
  /// A PEM file of certification authorities in place of the system's, absolute path.
  public var caFile: String?
  /// The server's public key, as curl writes it: `sha256//BASE64`, several with `;` between them.
  public var pinnedPublicKey: String?
  /// The way out.
  public var proxy: ProxySetting = .environment

  // MARK: The token

  /// The token must be meant for one of these (its `aud`); never empty.
  public var audience: [String] = ["tamarack"]
  /// How the token is verified.
  public var verification: TokenVerification = .jwt
  /// Whether its `typ` must be `at+jwt` (RFC 9068, 2.1).
  public var requiresAccessTokenType = false
  /// The part of a token's life after which it is refreshed, 0.1 ... 0.9.
  public var refreshAt = 0.5
  /// Whether the token is revoked when the daemon stops (RFC 7009).
  public var revokesOnStop = false

  // MARK: Its readers

  /// The files the token is written to; never empty, and the first is always a raw one.
  public var outputs: [TokenOutput] = []
  /// The units that get it from the credential socket: names or globs, as in `sync@*.service`.
  public var allowUnits: [String] = []
  /// What a token from the credential socket has left to live at the least, 0 s ... 1 h.
  public var minValidity: Duration = .seconds(60)
  /// A process to tell of each new token.
  public var signal: ReaderSignal?

  /// The defaults, for what has one.
  public init(name: String, issuer: String = "", clientID: String = "") {
    self.name = name
    self.issuer = issuer
    self.clientID = clientID
  }
}

/// One file that a token is written to.
public struct TokenOutput: Hashable, Sendable {
  /// What the file holds.
  public enum Format: String, CaseIterable, Hashable, Sendable {
    /// The token, and nothing else: no line break either.
    case raw
    /// One line, `Authorization: Bearer TOKEN`, for `curl -H @FILE`.
    case header
    /// An object with access_token, token_type, scope, issued_at and expires_at.
    case json
    /// One line, `VARIABLE=TOKEN`, for `EnvironmentFile=`.
    case env

    /// How the default file name ends.
    package var fileExtension: String { self == .raw ? "token" : rawValue }
  }

  /// Absolute, without `.`, `..` and doubled slashes.
  public var path: String
  /// The file's permission bits.
  public var mode: UInt32
  /// What the file holds.
  public var format: Format
  /// The variable's name with `.env`; nil with every other format.
  public var variable: String?

  /// An output put together by hand.
  public init(path: String, mode: UInt32 = 0o640, format: Format = .raw, variable: String? = nil) {
    self.path = path
    self.mode = mode
    self.format = format
    self.variable = variable
  }
}

/// A process to tell of each new token: `signal = { pid_file = "PATH", signal = "HUP" }`.
public struct ReaderSignal: Hashable, Sendable {
  /// The signals that programs reload at.
  public enum Name: String, CaseIterable, Hashable, Sendable {
    case hup = "HUP"
    case usr1 = "USR1"
    case usr2 = "USR2"
    case int = "INT"
    case term = "TERM"
  }

  /// A file that holds the process's id as a decimal number; absolute path.
  public var pidFile: String
  /// What it is sent.
  public var name: Name

  /// A signal put together by hand.
  public init(pidFile: String, name: Name = .hup) {
    self.pidFile = pidFile
    self.name = name
  }
}

extension TokenSettings {
  /// Where what the next run needs is kept: beside the token's first file, for the daemon's own eyes.
  package var statePath: String {
    outputs.first.map { Self.statePath(of: name, besides: $0.path) } ?? ""
  }

  /// The same for a token of that name whose first file is at `output`.
  package static func statePath(of name: String, besides output: String) -> String {
    FilePath.directory(of: output) + "/\(name).state"
  }

  /// The files that the daemon writes for the token: those of its outputs, and its state file.
  package func publishedFiles(allowsPersistentStorage: Bool) -> (outputs: [PublishedFile], state: PublishedFile) {
    (
      outputs.map { PublishedFile(path: $0.path, mode: $0.mode, allowsPersistentStorage: allowsPersistentStorage) },
      PublishedFile(path: statePath, mode: 0o600, allowsPersistentStorage: allowsPersistentStorage)
    )
  }

  /// Checks that the files could be written.
  func prepareOutputs(allowsPersistentStorage: Bool) throws(PublicationFailure) {
    let (outputs, state) = publishedFiles(allowsPersistentStorage: allowsPersistentStorage)
    for file in outputs + [state] { try file.prepare() }
  }
}
