import Testing
@testable import Base
@testable import HTTP
@testable import Settings

/// The fingerprint differs exactly if the tokens could differ.
@Suite struct RequestFingerprintTests {
  private static var settings: TokenSettings {
    var settings = TokenSettings(name: "konexus", issuer: "https://a", clientID: "c")
    settings.scope = ["a", "b"]
    settings.audience = ["x", "y"]
    settings.secrets = [.literal(Secret("s"))]
    return settings
  }

  typealias Change = @Sendable (inout TokenSettings) -> Void

  static let relevant: [(String, Change)] = [
    ("issuer", { $0.issuer = "https://a/" }), ("client_id", { $0.clientID = "d" }), ("scope", { $0.scope = ["a"] }),
    ("scope split otherwise", { $0.scope = ["ab"] }), ("audience", { $0.audience = ["x"] }),
    ("no audience", { $0.audience = [] }),
    ("scope and audience swapped", { ($0.scope, $0.audience) = ($0.audience, $0.scope) }),
    ("client_auth", { $0.clientAuthentication = .basic }), ("resource", { $0.resource = ["https://r"] }),
    ("request_audience", { $0.requestAudience = "x" }), ("empty request_audience", { $0.requestAudience = "" }),
    ("extra_parameters", { $0.extraParameters = ["k": "v"] }), ("another", { $0.extraParameters = ["kv": ""] }),
    ("verify", { $0.verification = .none }), ("access_token_issuer", { $0.accessTokenIssuer = "https://a" }),
    ("discovery_url", { $0.locations.discovery = "https://x" }),
    ("token_endpoint", { $0.locations.tokenEndpoint = "https://x" }),
    ("jwks_uri", { $0.locations.jwksURI = "https://x" }),
    ("introspection_endpoint", { $0.locations.introspectionEndpoint = "https://x" }),
    ("revocation_endpoint", { $0.locations.revocationEndpoint = "https://x" }),
  ]

  static let irrelevant: [(String, Change)] = [
    ("name", { $0.name = "other" }), ("secret", { $0.secrets = [.literal(Secret("t")), .file("/f")] }),
    ("order of scopes", { $0.scope = ["b", "a"] }), ("order of audiences", { $0.audience = ["y", "x"] }),
    ("files", { $0.outputs = [TokenOutput(path: "/x")] }), ("timeout", { $0.timeout = .seconds(1) }),
    ("refresh_at", { $0.refreshAt = 0.9 }), ("ca_file", { $0.caFile = "/ca" }), ("proxy", { $0.proxy = .none }),
    ("max_age", { $0.maxAge = .seconds(60) }), ("recheck_interval", { $0.recheckInterval = .seconds(60) }),
    ("api_url", { $0.apiURL = try? Endpoint("https://api.example") }),
  ]

  @Test func whatATokenDependsOnChangesIt() {
    let fingerprints = Self.relevant.map { change in
      var settings = Self.settings
      change.1(&settings)
      return settings.requestFingerprint
    }
    #expect(Set(fingerprints + [Self.settings.requestFingerprint]).count == fingerprints.count + 1)
  }

  @Test func nothingElseDoes() {
    for (name, change) in Self.irrelevant {
      var settings = Self.settings
      change(&settings)
      #expect(settings.requestFingerprint == Self.settings.requestFingerprint, "\(name)")
    }
  }

  /// State files keep it over updates of the daemon.
  @Test func itIsTheSameInEveryProcess() {
    let fingerprint = TokenSettings(name: "konexus", issuer: "https://auth.alertsense.com", clientID: "c")
      .requestFingerprint
    #expect(fingerprint.utf8.count == 64)
    #expect(fingerprint == "7e6993430cc01456551416a708b495e174c424bb22aa922e1c84a0044372b9a6")
  }
}

/// The effect of a changed key on the token in the file.
@Suite struct TokenComparisonTests {
  /// A valid table with all keys, and a second value for each key.
  private static let values: [String: (String, changed: String)] = [
    "issuer": (#""https://a.example""#, #""https://b.example""#),
    "discovery_url": (#""https://a.example/d""#, #""https://a.example/e""#),
    "token_endpoint": (#""https://a.example/t""#, #""https://a.example/u""#),
    "jwks_uri": (#""https://a.example/k""#, #""https://a.example/l""#),
    "introspection_endpoint": (#""https://a.example/i""#, #""https://a.example/j""#),
    "revocation_endpoint": (#""https://a.example/r""#, #""https://a.example/s""#),
    "client_id": (#""c""#, #""d""#),
    "client_auth": (#""auto""#, #""client_secret_basic""#),
    "client_secret": (#""first""#, #""second""#),
    "client_secret_file": ("", #""/secret""#),
    "basic_encoding": (#""auto""#, #""raw""#),
    "private_key_file": (#""/key""#, #""/key2""#),
    "key_id": (#""1""#, #""2""#),
    "assertion_algorithm": (#""RS256""#, #""PS256""#),
    "assertion_audience": (#""token_endpoint""#, #""issuer""#),
    "assertion_certificate_file": (#""/assertion""#, #""/assertion2""#),
    "client_certificate_file": (#""/certificate""#, #""/certificate2""#),
    "client_key_file": (#""/tls-key""#, #""/tls-key2""#),
    "scope": (#""a""#, #""a b""#),
    "resource": (#""https://r.example""#, #""https://s.example""#),
    "request_audience": (#""x""#, #""y""#),
    "extra_parameters": (#"{ tenant = "north" }"#, #"{ tenant = "south" }"#),
    "timeout": (#""30s""#, #""31s""#),
    "ca_file": (#""/ca""#, #""/ca2""#),
    "pinned_public_key": (
      #""sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=""#,
      #""sha256//BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=""#
    ),
    "proxy": (#""none""#, #""http://proxy.example:3128""#),
    "audience": (#""t""#, #""u""#),
    "verify": (#""jwt""#, #""introspection""#),
    "token_type": (#""BearerToken""#, #""Bearer""#),
    "access_token_issuer": (#""http://a.example/trust""#, #""http://b.example/trust""#),
    "require_at_jwt": ("false", "true"),
    "refresh_at": ("0.5", "0.6"),
    "max_age": (#""1d""#, #""2d""#),
    "recheck_interval": (#""15m""#, #""5m""#),
    "api_url": (#""https://api.example""#, #""https://api.example/x""#),
    "revoke_on_stop": ("true", "false"),
    "file": (#""/run/k/a""#, #""/run/k/b""#),
    "mode": (#""0640""#, #""0600""#),
    "allow_units": (#"["a.service"]"#, #"["b.service"]"#),
    "min_validity": (#""60s""#, #""61s""#),
  ]

  /// The settings before and after a change of `key`.
  private static func settings(changing key: String) throws -> (old: TokenSettings, new: TokenSettings) {
    (try settings(key, isChanged: false), try settings(key, isChanged: true))
  }

  private static func settings(_ key: String, isChanged: Bool) throws -> TokenSettings {
    var left: Set = [isChanged && key == "client_secret_file" ? "client_secret" : "client_secret_file"]
    // Only `auto` can use all keys.
    if key == "client_auth" {
      left.formUnion([
        "private_key_file", "key_id", "assertion_algorithm", "assertion_audience", "assertion_certificate_file",
      ])
    }
    // Each of these has an effect with one value of another key only.
    let isIntrospected = key == "introspection_endpoint"
    left.insert(isIntrospected || key == "verify" ? "jwks_uri" : "introspection_endpoint")
    if key == "verify" { left.insert("introspection_endpoint") }
    if key == "revoke_on_stop" { left.insert("revocation_endpoint") }
    let lines = values.filter { !left.contains($0.key) }.map { name, value in
      let first = name == "verify" && isIntrospected ? value.changed : value.0
      return "\(name) = \(isChanged && name == key ? value.changed : first)"
    }
    let text = "[token.konexus]\n" + lines.sorted().joined(separator: "\n") + "\n"
    let draft = ConfigurationDraft(Secret(text), path: "/etc/k.toml", environment: ConfigurationText.environment)
    return try #require(draft.get().tokens.first)
  }

  @Test func eachKeyHasOneEffect() {
    let keys = TokenKeyEffect.allCases.flatMap(\.keys).sorted()
    #expect(keys == ConfigurationKeys.token.map(\.name).sorted())
  }

  @Test(arguments: ConfigurationKeys.token.map(\.name))
  func theComparisonsShowTheEffect(_ key: String) throws {
    let effect = try #require(TokenKeyEffect.allCases.first { $0.keys.contains(key) }, "the key belongs to no group")
    _ = try #require(Self.values[key], "the key has no values here")
    let (old, new) = try Self.settings(changing: key)
    #expect(old != new)
    #expect((old.requestFingerprint != new.requestFingerprint) == (effect == .request))
    // The method belongs to both groups: it is part of the fingerprint too.
    let authenticates = effect == .authentication || key == "client_auth"
    #expect(new.authenticates(differentlyFrom: old) == authenticates)
    #expect(new.connects(differentlyFrom: old) == (effect == .connection))
    #expect(new.asks(differentlyFrom: old) == (effect != .none))
    #expect(old.asks(differentlyFrom: new) == (effect != .none && effect != .requirement))
  }

  /// Another client that introspects, or other credentials of it, are tried at once: by a new token.
  @Test func aChangedIntrospectionClientNeedsAToken() throws {
    func settings(_ table: String) throws -> TokenSettings {
      let configuration = try ConfigurationText.parse(
        "[token.k]\nissuer = 'https://a'\nclient_id = 'c'\nclient_secret = 's'\nverify = 'introspection'\n" + table)
      return try #require(configuration.tokens.first)
    }
    let tables = ["", "introspection = { client_id = 'api', client_secret = 'a' }\n"]
    let others = [
      "introspection = { client_id = 'api', client_secret = 'b' }\n",
      "introspection = { client_id = 'API', client_secret = 'a' }\n",
      "introspection = { client_id = 'api', client_secret = 'a', client_auth = 'client_secret_basic' }\n",
    ]
    let all = try (tables + others).map(settings)
    for (index, one) in all.enumerated() {
      for (place, other) in all.enumerated() { #expect(one.asks(differentlyFrom: other) == (index != place)) }
    }
    #expect(Set(all.map(\.requestFingerprint)).count == 1)
  }

  @Test func equalSettingsNeedNoToken() throws {
    let (old, _) = try Self.settings(changing: "issuer")
    #expect(!old.asks(differentlyFrom: old))
  }
}
