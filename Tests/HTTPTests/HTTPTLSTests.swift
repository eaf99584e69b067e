import Glibc
import NIOSSL
import Testing
@testable import HTTP

/// Whom the client trusts, and what it calls it when it does not.
@Suite(.timeLimit(.minutes(1))) struct HTTPTLSTests {
  private let authority: TestAuthority
  private let authorityFile: TemporaryFile
  private let trusting: TransportSettings

  init() throws {
    authority = try TestAuthority()
    authorityFile = try TemporaryFile(authority.pem)
    trusting = TransportSettings(caFile: authorityFile.path)
  }

  private func get(_ url: String, _ transport: TransportSettings, client: HTTPClient = HTTPClient()) async throws
    -> HTTPResponse
  {
    try await client.send(
      HTTPRequest(url: url, timeout: .seconds(30), connectTimeout: .seconds(30), transport: transport))
  }

  private func failure(_ url: String, _ transport: TransportSettings) async throws -> HTTPFailure {
    try #require(await #expect(throws: HTTPFailure.self) { try await get(url, transport) })
  }

  @Test func trustsTheAuthorityItIsTold() async throws {
    let server = try await TLSServer(authority.issue())
    let response = try await get(server.url, trusting)
    #expect(response.status == 200)
    #expect(response.timings.tls > .zero)
    #expect(response.certificates.isEmpty)
  }

  @Test func doesNotTrustUnknownAuthorities() async throws {
    let server = try await TLSServer(authority.issue())
    let failure = try await failure(server.url, TransportSettings())
    #expect(failure.reason == .tls(.unknownAuthority))
    #expect(
      failure.message
        == "certificate of 127.0.0.1:\(server.port) rejected: its CA certificate is not in the system's trust store"
    )
    #expect(server.requests == 0)
  }

  @Test func doesNotTrustTheSystemBesidesTheCAFile() async throws {
    let other = try TemporaryFile(TestAuthority("Another").pem)
    let server = try await TLSServer(authority.issue())
    let failure = try await failure(server.url, TransportSettings(caFile: other.path))
    #expect(failure.reason == .tls(.unknownAuthority))
    #expect(failure.message.contains(other.path))
  }

  @Test func findsItsAuthorityAmongSeveral() async throws {
    let file = try TemporaryFile(TestAuthority("A").pem + authority.pem + TestAuthority("B").pem)
    let server = try await TLSServer(authority.issue())
    #expect(try await get(server.url, TransportSettings(caFile: file.path)).status == 200)
  }

  @Test func selfSigned() async throws {
    let identity = try TestAuthority.selfSigned()
    let server = try await TLSServer(identity)
    #expect(try await failure(server.url, trusting).reason == .tls(.selfSigned))
    let file = try TemporaryFile(identity.certificate)
    #expect(try await get(server.url, TransportSettings(caFile: file.path)).status == 200)
  }

  @Test func expired() async throws {
    let server = try await TLSServer(authority.issue(days: -30 ... -1))
    #expect(try await failure(server.url, trusting).reason == .tls(.expired))
  }

  @Test func notYetValid() async throws {
    let server = try await TLSServer(authority.issue(days: 1...30))
    #expect(try await failure(server.url, trusting).reason == .tls(.notYetValid))
  }

  @Test(arguments: [["auth.example.com"], ["127.0.0.1.example.com"], ["*"], []])
  func otherNames(_ names: [String]) async throws {
    let server = try await TLSServer(authority.issue(names))
    let failure = try await failure(server.url, trusting)
    #expect(failure.reason == .tls(.hostNameMismatch), "\(failure)")
  }

  @Test func acceptsTheHostsName() async throws {
    let server = try await TLSServer(authority.issue(["LocalHost"]))
    #expect(try await get("https://localhost:\(server.port)/", trusting).status == 200)
  }

  @Test(arguments: [TLSVersion.tlsv1, .tlsv11])
  func tooOldProtocol(_ version: TLSVersion) async throws {
    let server = try await TLSServer(authority.issue()) {
      $0.minimumTLSVersion = .tlsv1
      $0.maximumTLSVersion = version
    }
    let failure = try await failure(server.url, trusting)
    #expect(failure.reason == .tls(.protocolVersion), "\(failure)")
  }

  @Test(arguments: [(TLSVersion.tlsv12, "TLSv1.2"), (.tlsv13, "TLSv1.3")])
  func tellsCertificatesAndVersion(_ version: TLSVersion, _ name: String) async throws {
    let identity = try authority.issue(["127.0.0.1", "auth.example.com"])
    let server = try await TLSServer(identity) {
      $0.minimumTLSVersion = version
      $0.maximumTLSVersion = version
    }
    let client = HTTPClient()
    _ = try await get(server.url, trusting, client: client)
    var request = HTTPRequest(url: server.url, transport: trusting)
    request.collectsCertificates = true
    let response = try await client.send(request)
    #expect(response.tlsVersion == name)
    let certificate = try #require(response.certificates.first)
    #expect(certificate.subject.contains("127.0.0.1"))
    #expect(certificate.issuer.contains("Test Authority"))
    #expect(certificate.notBefore == identity.notBefore)
    #expect(certificate.notAfter == identity.notAfter)
    #expect(certificate.alternativeNames == ["IP Address:127.0.0.1", "DNS:auth.example.com"])
  }

  // MARK: Pins

  @Test func pinThatFits() async throws {
    let identity = try authority.issue()
    let server = try await TLSServer(identity)
    var transport = trusting
    transport.pinnedPublicKey = identity.pin
    #expect(try await get(server.url, transport).status == 200)
    transport.pinnedPublicKey = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;\(identity.pin)"
    #expect(try await get(server.url, transport).status == 200)
  }

  @Test func pinOfAnotherKey() async throws {
    let server = try await TLSServer(authority.issue())
    var transport = trusting
    transport.pinnedPublicKey = try authority.issue().pin
    #expect(try await failure(server.url, transport).reason == .tls(.pinMismatch))
    #expect(server.requests == 0)
  }

  @Test func pinDoesNotReplaceTheAuthority() async throws {
    let identity = try authority.issue()
    let server = try await TLSServer(identity)
    #expect(
      try await failure(server.url, TransportSettings(pinnedPublicKey: identity.pin)).reason == .tls(.unknownAuthority))
  }

  // MARK: The ca_file

  @Test(arguments: ["/nonexistent/ca.pem", "/", "/dev/null", ""])
  func unreadableCAFile(_ path: String) async throws {
    let failure = try await failure("https://127.0.0.1:1/", TransportSettings(caFile: path))
    #expect(failure.reason == .tls(.caFileUnreadable))
    #expect(failure.message.hasPrefix("the ca_file '\(path)' "))
  }

  @Test func fifoAsCAFile() async throws {
    let path = authorityFile.path + ".fifo"
    #expect(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    let failure = try await failure("https://127.0.0.1:1/", TransportSettings(caFile: path))
    #expect(failure.message == "the ca_file '\(path)' is no regular file")
    #expect(failure.remedy == "name a file")
  }

  @Test(arguments: [
    "", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0\u{1}\u{2}",
  ])
  func uselessCAFile(_ content: String) async throws {
    let file = try TemporaryFile(content)
    let server = try await TLSServer(authority.issue())
    let failure = try await failure(server.url, TransportSettings(caFile: file.path))
    #expect(failure.reason == .tls(.caFileUnreadable), "\(failure)")
    #expect(failure.message.contains(file.path))
  }

  /// The file of the three that another user controls, and the fault for it.
  enum TrustedFile: CaseIterable { case authorities, certificate, key }

  @Test(
    .enabled(if: geteuid() == 0, "needs root to give files away"), arguments: TrustedFile.allCases,
    [(1234, 0o644), (0, 0o664), (0, 0o646)] as [(uid_t, mode_t)])
  func aFileInOtherHandsIsNotUsed(_ which: TrustedFile, _ hands: (owner: uid_t, mode: mode_t)) async throws {
    let server = try await TLSServer(authority.issue())
    let identity = try authority.issue(["client"])
    let (certificate, key) = (try TemporaryFile(identity.certificate), try TemporaryFile(identity.key))
    var transport = trusting
    transport.clientCertificateFile = certificate.path
    transport.clientKeyFile = key.path
    #expect(try await get(server.url, transport).status == 200)
    let path = which == .authorities ? authorityFile.path : which == .certificate ? certificate.path : key.path
    #expect(chmod(path, hands.mode) == 0 && chown(path, hands.owner, 0) == 0)
    let requests = server.requests
    let failure = try await failure(server.url, transport)
    let fault: HTTPFailure.TLSFault =
      switch which {
      case .authorities: .caFileUnreadable
      case .certificate: .clientCertificateUnusable
      case .key: .clientKeyUnusable
      }
    #expect(failure.reason == .tls(fault), "\(failure)")
    let remedy = hands.owner != 0 ? "chown root" : which == .key ? "chmod 0600" : "chmod go-w"
    #expect(failure.message.contains("'\(path)'"), "\(failure)")
    #expect(failure.remedy?.hasSuffix("\(remedy) \(path)") == true, "\(failure.remedy ?? "")")
    #expect(failure.message.contains(hands.owner != 0 ? "uid 1234" : "mode 06"), "\(failure)")
    #expect(server.requests == requests)
    // The user's own files serve it.
    guard hands.owner != 0, which != .key else { return }
    transport.fileRules.userID = hands.owner
    #expect(try await get(server.url, transport).status == 200)
  }

  @Test func isReadAnewForEachRequest() async throws {
    let file = try TemporaryFile(TestAuthority("Old").pem)
    let server = try await TLSServer(authority.issue())
    let transport = TransportSettings(caFile: file.path)
    // The connection must still be open when it could be used again, however long a machine takes.
    let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .seconds(3600))
    await #expect(throws: HTTPFailure.self) { try await get(server.url, transport, client: client) }
    try file.write(authority.pem)
    #expect(try await get(server.url, transport, client: client).status == 200)
    #expect(try await get(server.url, transport, client: client).status == 200)
    #expect(server.connections == 2)
    // The connection is still open, but made under trust that was withdrawn.
    try file.write(TestAuthority("New").pem)
    let failure = await #expect(throws: HTTPFailure.self) { try await get(server.url, transport, client: client) }
    #expect(failure?.reason == .tls(.unknownAuthority))
    #expect(server.requests == 2)
  }

  @Test func connectionsOfDifferentTrustAreNotShared() async throws {
    let server = try await TLSServer(authority.issue())
    let client = HTTPClient()
    #expect(try await get(server.url, trusting, client: client).status == 200)
    let failure = await #expect(throws: HTTPFailure.self) {
      try await get(server.url, TransportSettings(), client: client)
    }
    #expect(failure?.reason == .tls(.unknownAuthority))
  }

  // MARK: Client certificates

  private func demand(_ configuration: inout TLSConfiguration, _ version: TLSVersion) throws {
    configuration.minimumTLSVersion = version
    configuration.maximumTLSVersion = version
    configuration.certificateVerification = .noHostnameVerification
    configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.pem.utf8)))
  }

  @Test(arguments: [TLSVersion.tlsv12, .tlsv13], [true, false])
  func showsItsCertificate(_ version: TLSVersion, _ isOneFile: Bool) async throws {
    let server = try await TLSServer(authority.issue()) { try demand(&$0, version) }
    let identity = try authority.issue(["client"])
    let certificate = try TemporaryFile(isOneFile ? identity.certificate + identity.key : identity.certificate)
    let key = try TemporaryFile(identity.key)
    var transport = trusting
    transport.clientCertificateFile = certificate.path
    if !isOneFile { transport.clientKeyFile = key.path }
    #expect(try await get(server.url, transport).status == 200)
  }

  @Test func isToldThatAServerWantsACertificate() async throws {
    let server = try await TLSServer(authority.issue()) { try demand(&$0, .tlsv13) }
    let failure = try await failure(server.url, trusting)
    #expect(failure.reason == .tls(.clientCertificateRequired), "\(failure)")
    #expect(failure.message == "127.0.0.1:\(server.port) requires a client certificate")
  }

  @Test func suspectsThatAnOlderServerWantsACertificate() async throws {
    let server = try await TLSServer(authority.issue()) { try demand(&$0, .tlsv12) }
    let failure = try await failure(server.url, trusting)
    #expect(failure.reason == .tls(.other), "\(failure)")
    #expect(failure.message.contains("it may require a client certificate"))
  }

  @Test(arguments: [TLSVersion.tlsv12, .tlsv13])
  func isToldThatItsCertificateIsRejected(_ version: TLSVersion) async throws {
    let server = try await TLSServer(authority.issue()) { try demand(&$0, version) }
    let identity = try TestAuthority("Stranger").issue(["client"])
    let certificate = try TemporaryFile(identity.certificate + identity.key)
    var transport = trusting
    transport.clientCertificateFile = certificate.path
    let failure = try await failure(server.url, transport)
    #expect(failure.reason == .tls(.clientCertificateRequired), "\(failure)")
    #expect(failure.message.contains(certificate.path))
  }

  @Test func clientCertificateWithoutItsKey() async throws {
    let server = try await TLSServer(authority.issue())
    let certificate = try TemporaryFile(authority.issue(["client"]).certificate)
    let otherKey = try TemporaryFile(authority.issue(["client"]).key)
    let faults: [(String?, HTTPFailure.TLSFault)] = [
      (nil, .clientKeyUnusable), (otherKey.path, .clientCertificateUnusable),
      ("/nonexistent/key.pem", .clientKeyUnusable),
    ]
    for (key, fault) in faults {
      var transport = trusting
      transport.clientCertificateFile = certificate.path
      transport.clientKeyFile = key
      let failure = try await failure(server.url, transport)
      #expect(failure.reason == .tls(fault), "\(failure)")
    }
  }

  @Test func encryptedKeyIsRefusedWithoutAskingTheTerminal() async throws {
    let server = try await TLSServer(authority.issue())
    let certificate = try TemporaryFile(authority.issue(["client"]).certificate)
    let key = try TemporaryFile(Self.encryptedKey)
    var transport = trusting
    transport.clientCertificateFile = certificate.path
    transport.clientKeyFile = key.path
    let failure = try await failure(server.url, transport)
    #expect(failure.reason == .tls(.clientKeyUnusable), "\(failure)")
  }

  /// A key that protects nothing: made for this test, its passphrase is `test`.
  private static let encryptedKey = """
    -----BEGIN ENCRYPTED PRIVATE KEY-----
    MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhs+ND6oZleEgICCAAw
    DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAmDQbPf3/5ysl6SmR792C0EgZDx
    oUCYu14BdjaHJaIjxeRj5ZTvGUurCp3h9aP2dutArFgYUDfsqJiGMBUSi3sTP0+l
    sZtAlbLqYIl3WtTOirJ6THkT6g4UjTNIJEj4i3apFn4N9hSihLp/fGT2WbkBJ94V
    k1viW95yY8SJ4PyVDZnFCSqOXxupUE2ggtTCwAv6K9o/M2LH8Q3TOLPgX5wwWn8=
    -----END ENCRYPTED PRIVATE KEY-----
    """
}
