import Testing
@testable import Base
@testable import Settings

/// The fingerprint tells tokens apart that could differ, and those alone.
@Suite struct ConfigurationFingerprintTests {
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
    ("scope and audience swapped", { ($0.scope, $0.audience) = ($0.audience, $0.scope) }),
    ("client_auth", { $0.clientAuthentication = .basic }), ("resource", { $0.resource = ["https://r"] }),
    ("request_audience", { $0.requestAudience = "x" }), ("empty request_audience", { $0.requestAudience = "" }),
    ("extra_parameters", { $0.extraParameters = ["k": "v"] }), ("another", { $0.extraParameters = ["kv": ""] }),
    ("verify", { $0.verification = .none }),
  ]

  static let irrelevant: [(String, Change)] = [
    ("name", { $0.name = "other" }), ("secret", { $0.secrets = [.literal(Secret("t")), .file("/f")] }),
    ("order of scopes", { $0.scope = ["b", "a"] }), ("order of audiences", { $0.audience = ["y", "x"] }),
    ("files", { $0.outputs = [TokenOutput(path: "/x")] }), ("timeout", { $0.timeout = .seconds(1) }),
    ("refresh_at", { $0.refreshAt = 0.9 }), ("ca_file", { $0.caFile = "/ca" }), ("proxy", { $0.proxy = .none }),
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

  /// Kept in state files over updates of the daemon: it must not change by itself.
  @Test func itIsTheSameInEveryProcess() {
    let fingerprint = TokenSettings(name: "konexus", issuer: "https://auth.alertsense.com", clientID: "c")
      .requestFingerprint
    #expect(fingerprint.utf8.count == 64)
    #expect(fingerprint == "7e6993430cc01456551416a708b495e174c424bb22aa922e1c84a0044372b9a6")
  }
}
