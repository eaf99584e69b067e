import Testing

@testable import Systemd

/// What a unit's text, as `systemctl cat` prints it, says of its credentials.
@Suite struct ServiceUnitTests {
  @Test func namesEachCredentialAndWhatItIsMadeOf() {
    let found = ServiceUnit.credentials(
      in: """
        # /usr/lib/systemd/system/konexus-tokend.service
        [Service]
        LoadCredential=config.toml:/etc/konexus-tokend/config.toml
        #LoadCredential=commented:/out
        LoadCredential=secret:/root/a:b
        LoadCredential=inherited
        LoadCredentialEncrypted=key.pem:/etc/key.cred
        """)
    #expect(
      found == [
        "config.toml": .init(source: "/etc/konexus-tokend/config.toml", isEncrypted: false),
        "secret": .init(source: "/root/a:b", isEncrypted: false),
        "inherited": .init(source: "inherited", isEncrypted: false),
        "key.pem": .init(source: "/etc/key.cred", isEncrypted: true),
      ])
  }

  @Test func anEmptyAssignmentTakesThemBack() {
    let found = ServiceUnit.credentials(
      in: """
        LoadCredential=config.toml:/etc/konexus-tokend/config.toml
        LoadCredential=
        LoadCredentialEncrypted=config.toml:/etc/konexus-tokend/config.toml.cred
        """)
    #expect(found == ["config.toml": .init(source: "/etc/konexus-tokend/config.toml.cred", isEncrypted: true)])
  }
}
