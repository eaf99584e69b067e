import Logging
import Testing
@testable import Base
@testable import HTTP
@testable import Settings

@Suite struct ConfigurationLoadTests {
  @Test func everySettingOfTheFirstKindIsRead() throws {
    let configuration = try ConfigurationText.parse(
      """
      [daemon]
      log_level = "debug"
      log_format = "json"
      allow_persistent_storage = true
      max_requests = 16

      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "ext-1741-north"
      client_secret = ["now", "next"]
      scope = "tamarack contacts"
      audience = ["tamarack", "other"]
      file = "/run/konexus-tokend//./k.token"
      mode = "0600"
      refresh_at = 0.75
      max_age = "12h"
      recheck_interval = "5m"
      api_url = "https://admin.alertsense.com/api/v2/settings/subscriptions?page=1"
      timeout = "1m30s"

      [token.b]
      issuer = "http://localhost:8080/tenant/"
      client_id = "b"
      client_secret = 'b'
      """)
    #expect(configuration.daemon.logLevel == .debug)
    #expect(configuration.daemon.logFormat == .json)
    #expect(configuration.daemon.allowPersistentStorage)
    #expect(configuration.daemon.maxRequests == 16)
    #expect(configuration.tokens.map(\.name) == ["konexus", "b"])
    var expected = TokenSettings(
      name: "konexus", issuer: "https://auth.alertsense.com", clientID: "ext-1741-north")
    expected.secrets = [.literal(Secret("now")), .literal(Secret("next"))]
    expected.scope = ["tamarack", "contacts"]
    expected.audience = ["tamarack", "other"]
    expected.outputs = [TokenOutput(path: "/run/konexus-tokend/k.token", mode: 0o600)]
    expected.refreshAt = 0.75
    expected.maxAge = .seconds(43_200)
    expected.recheckInterval = .seconds(300)
    expected.apiURL = try Endpoint("https://admin.alertsense.com/api/v2/settings/subscriptions?page=1")
    expected.timeout = .seconds(90)
    #expect(configuration.tokens.first == expected)
    expected = TokenSettings(name: "b", issuer: "http://localhost:8080/tenant/", clientID: "b")
    expected.secrets = [.literal(Secret("b"))]
    expected.outputs = [TokenOutput(path: "/run/konexus-tokend/b.token", mode: 0o640)]
    #expect(configuration.tokens.last == expected)
  }
}

/// Parses the text of a configuration file.
enum ConfigurationText {
  static let environment = RuntimeEnvironment(userID: 0)

  static func parse(
    _ text: String, environment: RuntimeEnvironment = environment
  ) throws(ConfigurationErrors) -> Configuration {
    try Configuration.parse(Secret(text), path: "/etc/k.toml", environment: environment)
  }

  /// The text of all errors; empty if there are none.
  static func errors(_ text: String, environment: RuntimeEnvironment = environment) -> String {
    do throws(ConfigurationErrors) {
      _ = try parse(text, environment: environment)
      return ""
    } catch {
      return error.description
    }
  }
}
