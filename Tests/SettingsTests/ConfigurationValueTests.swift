import Testing
@testable import Base
@testable import HTTP
@testable import Settings

/// Accepted values and their meaning. `ConfigurationErrorTests` has the rejected ones.
@Suite struct ConfigurationValueTests {
  private static func token(_ lines: String) throws -> TokenSettings {
    try #require(try ConfigurationText.parse(ConfigurationErrorCase.token(lines)).tokens.first)
  }

  @Test(
    arguments: [
      ("1", 1), ("300", 300), ("\"1s\"", 1), ("\"90s\"", 90), ("\"2m\"", 120), ("\"1m30s\"", 90), ("\"5m\"", 300),
      ("\"0h2m\"", 120),
    ])
  func durations(_ text: String, _ seconds: Int) throws {
    #expect(try Self.token("timeout = \(text)").timeout == .seconds(seconds))
  }

  @Test(
    arguments: [
      ("60", 60), ("\"1m\"", 60), ("\"1d\"", 86_400), ("\"24h\"", 86_400), ("\"1d12h\"", 129_600),
      ("\"366d\"", 31_622_400), ("31622400", 31_622_400),
    ])
  func longDurations(_ text: String, _ seconds: Int) throws {
    #expect(try Self.token("max_age = \(text)").maxAge == .seconds(seconds))
  }

  @Test(arguments: [("60", 60), ("\"15m\"", 900), ("\"1h30m\"", 5400), ("\"1d\"", 86_400)])
  func recheckIntervals(_ text: String, _ seconds: Int) throws {
    #expect(try Self.token("recheck_interval = \(text)").recheckInterval == .seconds(seconds))
  }

  /// A token that is not verified can be checked by the API.
  @Test func recheckIntervalOfAnUnverifiedToken() throws {
    let settings = try Self.token("verify = 'none'\napi_url = 'https://api.example'\nrecheck_interval = '5m'")
    #expect(settings.recheckInterval == .seconds(300))
    #expect(settings.verification == .none)
  }

  @Test func defaultsOfAcceptance() throws {
    let settings = try Self.token("")
    #expect(settings.maxAge == .seconds(86_400))
    #expect(settings.recheckInterval == .seconds(900))
    #expect(settings.apiURL == nil)
  }

  @Test(
    arguments: [
      "https://admin.alertsense.com/api/v2/settings/subscriptions", "https://a", "https://a:8443/x?page=1&size=1",
      "https://a/x?to=b@c", "https://[2001:db8::1]/x", "http://localhost:8080/x", "http://127.0.0.1", "http://[::1]:1/",
    ])
  func urlsOfAPIs(_ url: String) throws {
    #expect(try Self.token("api_url = '\(url)'").apiURL?.url == url)
  }

  @Test(
    arguments: [
      "", "admin.alertsense.com", "//a", "https:/a", "https://", "https://a b", "https://a:0", "https://a\\b",
      "https://u:p@a/x", "https://a@b?x", "https://a/#x", "http://a", "http://127.0.0.1.example.com", "ftp://a",
      "HTTP://a", "https://ä.example",
    ])
  func whatIsNoURLOfAnAPI(_ url: String) {
    #expect(APIURLSyntax.fault(in: url) != nil)
    #expect(ConfigurationText.errors(ConfigurationErrorCase.token("api_url = '\(url)'")).contains("'api_url' is "))
  }

  @Test(
    arguments: [
      "", "s", "1", "1 s", "1m 30s", "30s1m", "1s1s", "-1s", "1.5s", "1w", "1h1d", "1ms", "99999999s", "１s", "1S",
    ])
  func whatIsNoDuration(_ text: String) {
    #expect(Duration(units: text) == nil)
    #expect(ConfigurationText.errors(ConfigurationErrorCase.token("timeout = \"\(text)\"")).contains("'timeout' is "))
  }

  @Test(
    arguments: [
      "https://auth.alertsense.com", "https://auth.alertsense.com/", "https://a.b/tenant/v2.0/", "https://a:8443",
      "https://[2001:db8::1]/x",
      "https://192.0.2.1", "http://localhost", "http://localhost:8080/x", "http://127.0.0.1:1", "http://[::1]:8080",
      "https://a/%7Ex",
    ])
  func issuers(_ issuer: String) throws {
    #expect(IssuerSyntax.fault(in: issuer) == nil)
    // Requests accept each issuer that the configuration accepts.
    _ = try Endpoint(issuer)
  }

  @Test(
    arguments: [
      "http://127.0.0.1.example.com", "http://localhost.", "http://[::2]", "http://0.0.0.0", "https://", "https://:443",
      "https://a b",
      "https://a:0", "https://a:x", "https://[::1", "HTTP://a", "https:/a", "https://a\\b", "https://ä.example",
      "https://a@b", "//a", "https//a",
    ])
  func whatIsNoIssuer(_ issuer: String) {
    #expect(IssuerSyntax.fault(in: issuer) != nil)
  }

  @Test(
    arguments: [
      ("\"a b  c\"", ["a", "b", "c"]), ("[\"a\", \"b c\"]", ["a", "b", "c"]), ("\"\"", []), ("[]", []), ("\" \"", []),
      ("\"https://api/.default\"", ["https://api/.default"]),
    ] as [(String, [String])])
  func scopes(_ text: String, _ scope: [String]) throws {
    #expect(try Self.token("scope = \(text)").scope == scope)
  }

  @Test(arguments: [("0600", 0o600), ("640", 0o640), ("0444", 0o444), ("0660", 0o660)] as [(String, UInt32)])
  func modes(_ text: String, _ mode: UInt32) throws {
    #expect(
      try Self.token("mode = \"\(text)\"").outputs == [
        TokenOutput(path: "/run/konexus-tokend/konexus.token", mode: mode)
      ])
  }

  @Test func acceptanceOfServersInPractice() throws {
    #expect(try Self.token("").exceptions == [])
    #expect(try Self.token("audience = 'a'\ntoken_type = 'bearer'").exceptions == [])
    let bare = try Self.token("audience = []\ntoken_type = []")
    #expect(bare.audience == [] && bare.tokenTypes == [])
    #expect(
      bare.exceptions == [
        "tokens without \"aud\" are accepted (audience = [])",
        "responses without token_type are accepted (token_type = [])",
      ])
    #expect(
      try Self.token("token_type = 'BearerToken'").exceptions
        == ["another token_type than Bearer is accepted (token_type = \"BearerToken\")"])
    #expect(
      try Self.token(#"token_type = ["x", "a\"b"]"#).exceptions
        == [#"another token_type than Bearer is accepted (token_type = ["x", "a\"b"])"#])
  }

  @Test func everySettingOfTheSecondKindIsRead() throws {
    let settings = try Self.token(
      """
      client_auth = "client_secret_basic"
      basic_encoding = "raw"
      resource = ["https://api.example.com/a", "urn:example:b"]
      request_audience = "aud"
      extra_parameters = { tenant = "north", "dotted.name" = "" }
      pinned_public_key = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
      proxy = "http://user:p%40ss@proxy.example.org:3128"
      verify = "introspection"
      revoke_on_stop = true
      allow_units = ["flood-alert.service", "sync@*.service"]
      min_validity = 0
      """)
    #expect(settings.clientAuthentication == .basic)
    #expect(settings.basicEncoding == .raw)
    #expect(settings.resource == ["https://api.example.com/a", "urn:example:b"])
    #expect(settings.requestAudience == "aud")
    #expect(settings.extraParameters == ["tenant": "north", "dotted.name": ""])
    #expect(settings.pinnedPublicKey == "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
    #expect(settings.proxy == .url("http://user:p%40ss@proxy.example.org:3128"))
    #expect(settings.verification == .introspection)
    #expect(settings.revokesOnStop)
    #expect(settings.allowUnits == ["flood-alert.service", "sync@*.service"])
    #expect(settings.minValidity == .zero)
    #expect(try Self.token("proxy = 'none'").proxy == .none)
    #expect(try Self.token("").proxy == .environment)
    #expect(try Self.token("require_at_jwt = true").requiresAccessTokenType)
  }

  @Test func outputsTakeTheirDefaultsFromTheToken() throws {
    let settings = try Self.token(
      """
      mode = "0600"
      signal = { pid_file = "/run/x.pid", signal = "USR1" }
      [[token.konexus.output]]
      format = "header"
      [[token.konexus.output]]
      format = "json"
      mode = "0644"
      [[token.konexus.output]]
      format = "env"
      [[token.konexus.output]]
      format = "env"
      path = "/run/other.env"
      variable = "API_TOKEN"
      """)
    #expect(
      settings.outputs == [
        TokenOutput(path: "/run/konexus-tokend/konexus.token", mode: 0o600),
        TokenOutput(path: "/run/konexus-tokend/konexus.header", mode: 0o600, format: .header),
        TokenOutput(path: "/run/konexus-tokend/konexus.json", mode: 0o644, format: .json),
        TokenOutput(path: "/run/konexus-tokend/konexus.env", mode: 0o600, format: .env, variable: "KONEXUS_TOKEN"),
        TokenOutput(path: "/run/other.env", mode: 0o600, format: .env, variable: "API_TOKEN"),
      ])
    #expect(settings.signal == ReaderSignal(pidFile: "/run/x.pid", name: .usr1))
    #expect(ConfigurationReader.defaultVariable("2-b_c") == "_2_B_C_TOKEN")
  }

  @Test func theRuntimeDirectoryIsWhereTokensGo() throws {
    let environment = RuntimeEnvironment(runtimeDirectory: "/run/private/x", userID: 0)
    let configuration = try ConfigurationText.parse(ConfigurationErrorCase.token(""), environment: environment)
    #expect(configuration.tokens.first?.outputs.map(\.path) == ["/run/private/x/konexus.token"])
  }

  @Test func tenThousandTablesKeepTheirOrder() throws {
    let text = (0..<10_000).map { "[token.t\($0)]\nissuer = 'https://a'\nclient_id = 'c'\nclient_secret = 's\($0)'\n" }
    let configuration = try ConfigurationText.parse(text.joined())
    #expect(configuration.tokens.map(\.name) == (0..<10_000).map { "t\($0)" })
  }

  // MARK: Nearest names

  @Test(
    arguments: [
      ("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "abcd", 1), ("abc", "axc", 1),
      ("ca", "abc", 3),
      ("issuer", "isseur", 1), ("", "abc", 3), ("timeout", "mode", 5),
    ])
  func distances(_ left: String, _ right: String, _ distance: Int) {
    #expect(NearestName.distance(left, right) == distance)
    #expect(NearestName.distance(right, left) == distance)
  }

  @Test(
    arguments: [
      ("client_secrt", "client_secret"), ("clientSecret", "client_secret"), ("client-id", "client_id"),
      ("scopes", "scope"), ("isuer", "issuer"), ("cafile", "ca_file"), ("refresh_a", "refresh_at"),
      ("maxage", "max_age"), ("max_ages", "max_age"), ("recheckInterval", "recheck_interval"), ("api-url", "api_url"),
      ("colour", nil), ("x", nil), ("", nil),
    ] as [(String, String?)])
  func nearestKeys(_ name: String, _ key: String?) {
    #expect(NearestName.to(name, among: ConfigurationKeys.token.map(\.name)) == key)
  }
}
