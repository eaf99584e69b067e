import Testing

@testable import Systemd

/// Why a service cannot start as its unit stands.
@Suite struct UnitFaultTests {
  private static let name = "konexus-tokend.service"
  private static let lxc = "/run/systemd/system/service.d/zzz-lxc-service.conf"

  private static func unit(
    _ properties: [String: String] = [:], credentials: [String] = ["config.toml"]
  ) -> ServiceUnit {
    var unit = ServiceUnit(
      properties: ["User": "konexus-tokend", "PrivateUsers": "yes", "ActiveState": "failed"], files: [],
      credentials: [:])
    unit.properties.merge(properties) { $1 }
    for name in credentials { unit.credentials[name] = .init(source: "/etc/\(name)", isEncrypted: false) }
    return unit
  }

  private static func withdrawn(by file: String, _ lines: String) -> WithdrawnCredentials? {
    WithdrawnCredentials(texts: [("unit", "[Service]\n" + lines), (file, "[Service]\nLoadCredential=\n")])
  }

  private static func fault(
    _ unit: ServiceUnit, _ withdrawn: WithdrawnCredentials? = nil, limit: Int? = 1000, hasUser: Bool = true
  ) -> UnitFault? {
    UnitFault(unit, withdrawn: withdrawn, userNamespaceLimit: limit) { _ in hasUser }
  }

  @Test func aUnitInOrder() {
    #expect(Self.fault(Self.unit()) == nil)
    // Another reason for which it does not run.
    #expect(Self.fault(Self.unit(["ExecMainStatus": "78"])) == nil)
    #expect(Self.fault(Self.unit(["PrivateUsers": "no"]), limit: 0) == nil)
  }

  /// H5
  @Test func credentialsThatLXCWithdraws() throws {
    let lines = "LoadCredential=config.toml:/etc/konexus-tokend/config.toml\nLoadCredential=key:/root/it's\n"
    let fault = try #require(
      Self.fault(Self.unit(credentials: []), Self.withdrawn(by: Self.lxc, lines)))
    #expect(fault.problem == "does not pass config.toml, key to the daemon")
    #expect(fault.details == ["\(Self.lxc) has an empty LoadCredential=, which withdraws the credentials"])
    #expect(fault.lostCredentials == ["config.toml", "key"])
    #expect(
      fault.remedy(for: Self.name) == """
        mkdir -p /etc/systemd/system/konexus-tokend.service.d && printf '%s\\n' '[Service]' \
        'LoadCredential=config.toml:/etc/konexus-tokend/config.toml' 'LoadCredential=key:/root/it'\\''s' \
        >>/etc/systemd/system/konexus-tokend.service.d/zzzz-credentials.conf \
        && systemctl daemon-reload && systemctl restart konexus-tokend.service
        """)
  }

  /// A drop-in that comes after LXC's passes on the configuration again, but not the secret.
  @Test func oneOfTheCredentialsIsBack() throws {
    let lines = "LoadCredential=config.toml:/etc/konexus-tokend/config.toml\nLoadCredential=key:/root/key\n"
    let fault = try #require(Self.fault(Self.unit(), Self.withdrawn(by: Self.lxc, lines)))
    #expect(fault.lostCredentials == ["key"])
  }

  @Test func aDropInOfTheServiceMayWithdrawWhatItWants() {
    let file = "/etc/systemd/system/konexus-tokend.service.d/override.conf"
    let lines = "LoadCredential=config.toml:/etc/konexus-tokend/config.toml\nLoadCredential=key:/root/key\n"
    #expect(Self.fault(Self.unit(), Self.withdrawn(by: file, lines)) == nil)
    #expect(Self.fault(Self.unit(credentials: []), Self.withdrawn(by: file, lines))?.lostCredentials == ["config.toml"])
  }

  @Test func aUnitThatNeverHadIt() {
    #expect(
      Self.fault(Self.unit(credentials: []))
        == .withoutCredentials(
          assignments: ["config.toml": UnitFault.configuration], file: nil, dropIn: "zzzz-credentials.conf"))
  }

  /// H6
  @Test func noUserNamespaces() throws {
    let fault = try #require(Self.fault(Self.unit(), limit: 0))
    #expect(
      fault.problem == "cannot start: PrivateUsers=yes needs a user namespace, and user.max_user_namespaces is 0")
    #expect(
      fault.remedy(for: Self.name).contains(
        "'PrivateUsers=no' >>/etc/systemd/system/konexus-tokend.service.d/zzzz-private-users.conf"))
    // A running service cannot be restarted either.
    #expect(Self.fault(Self.unit(["ActiveState": "active"]), limit: 0) == fault)
  }

  /// For example because of a container's seccomp filter. systemd could not create a namespace, although the limit
  /// allows it.
  @Test func userNamespacesThatFail() throws {
    let fault = try #require(Self.fault(Self.unit(["ExecMainStatus": "217"])))
    #expect(fault == .withoutUserNamespaces(limit: 1000))
    #expect(fault.problem.hasSuffix("and systemd could not create one (status=217/USER)"))
    #expect(Self.fault(Self.unit(["ExecMainStatus": "217", "ActiveState": "active"])) == nil)
  }

  @Test func aUserThatDoesNotExist() throws {
    let fault = try #require(Self.fault(Self.unit(["ExecMainStatus": "217"]), hasUser: false))
    #expect(fault == .withoutUser("konexus-tokend"))
    #expect(fault.remedy(for: Self.name) == "systemd-sysusers && systemctl restart konexus-tokend.service")
  }
}
