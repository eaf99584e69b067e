import Testing

@testable import Systemd

/// Which file of a unit withdraws its credentials, and what a drop-in must be called that comes after it.
@Suite struct WithdrawnCredentialsTests {
  private static let unit = """
    # konexus-tokend.service
    [Unit]
    LoadCredential=not:here
    [Service]
    #LoadCredential=commented:/out
    LoadCredential=config.toml:/etc/konexus-tokend/config.toml
    ExecStart=/usr/bin/konexus-tokend run \\
      LoadCredential=

    """
  private static let lxc = "[Service]\nProcSubset=all\nLoadCredential=\nNoNewPrivileges=no\n"
  private static let lxcFile = "/run/systemd/system/service.d/zzz-lxc-service.conf"

  @Test func noneIsWithdrawn() {
    #expect(WithdrawnCredentials(texts: [("unit", Self.unit)]) == nil)
  }

  @Test func namesTheFileAndWhatItWithdraws() throws {
    let found = try #require(
      WithdrawnCredentials(texts: [
        ("unit", Self.unit),
        ("secret.conf", " [Service] \n LoadCredential = secret:/root/a:b \nLoadCredential=inherited\n"),
        (Self.lxcFile, Self.lxc), ("zzzz.conf", "[Service]\nLoadCredential=late:/later\n"),
      ]))
    #expect(found.file == Self.lxcFile)
    #expect(
      found.assignments == [
        "config.toml": "LoadCredential=config.toml:/etc/konexus-tokend/config.toml",
        "secret": "LoadCredential=secret:/root/a:b",
        "inherited": "LoadCredential=inherited",
      ])
  }

  /// encrypted-config.conf withdraws the plain configuration; the encrypted one is what LXC's drop-in withdraws then.
  @Test func theLastFileCounts() throws {
    let encrypted =
      "[Service]\nLoadCredential=\nLoadCredentialEncrypted=config.toml:/etc/konexus-tokend/config.toml.cred\n"
    let found = try #require(
      WithdrawnCredentials(texts: [("unit", Self.unit), ("encrypted-config.conf", encrypted), (Self.lxcFile, Self.lxc)])
    )
    #expect(found.file == Self.lxcFile)
    #expect(
      found.assignments == ["config.toml": "LoadCredentialEncrypted=config.toml:/etc/konexus-tokend/config.toml.cred"])
  }

  /// Either key withdraws all credentials.
  @Test func bothKeysOfOneFileAreOneWithdrawal() throws {
    let found = try #require(
      WithdrawnCredentials(texts: [
        ("unit", Self.unit), ("a.conf", "[Service]\nLoadCredentialEncrypted=\nLoadCredential=\n"),
      ]))
    #expect(found.assignments.keys.sorted() == ["config.toml"])
  }

  @Test(arguments: [
    "/run/systemd/system/service.d/zzz-lxc-service.conf", "/etc/systemd/system/service.d/zzzz-credentials.conf",
    "/etc/systemd/system/service.d/zzzzz.conf", "/run/a/~late.conf", "/run/a/aaa.conf", "/run/a/zzzzzz.b.conf",
  ])
  func theDropInComesAfterIt(file: String) throws {
    let found = try #require(WithdrawnCredentials(texts: [(file, "[Service]\nLoadCredential=\n")]))
    let names = [found.nameOfDropIn("credentials"), String(file.split(separator: "/").last ?? "")]
    // As strcmp(3), by which systemd sorts.
    #expect(names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) } == [names[1], names[0]])
    #expect(names[0] != names[1])
    #expect(names[0].hasSuffix(".conf"))
  }
}
