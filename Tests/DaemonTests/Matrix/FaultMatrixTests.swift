import Base
import KonexusSandbox
import Testing

/// Every failure x at the first start, at a refresh, through the end of a token's life.
///
/// Each row checks:
/// - what a reader in its own process sees throughout
/// - the code and the kind of the failure
/// - the pace of the requests that the server counts
/// - that a lasting failure is logged once, and its end once
/// - the recovery
@Suite("Fault matrix", .inTurn)
struct FaultMatrixTests {
  @Test("a failure that can come at any moment", arguments: Hardship.all, Trial.Moment.allCases)
  func anyMoment(hardship: Hardship, moment: Trial.Moment) async throws {
    try await Trial.run(hardship, at: moment)
  }

  @Test("connections reset just before libcurl asks for the peer's name")
  func lateReset() async throws {
    try await expectBrokenConnection("", under: Preload.lateName.get(), whenServer: Fault(.resetOnAccept))
  }

  @Test("a kernel that refuses to send, as for a firewall")
  func firewall() async throws {
    try await expectBrokenConnection(": Operation not permitted", under: Preload.firewall.get())
  }

  private func expectBrokenConnection(
    _ cause: String, under library: String, whenServer fault: Fault? = nil
  ) async throws {
    try await withScene { scene in
      if let fault { scene.sandbox.inject(fault) }
      try scene.configure()
      let daemon = try scene.startDaemon(environment: ["LD_PRELOAD": library])
      try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.code == FailureCode.connection.rawValue, "\(failure.message)")
      #expect(failure.message.contains("the connection broke\(cause) ("), "\(failure.message)")
    }
  }

  @Test("a failure of discovery or of the key set, at the first start", arguments: Hardship.ofDocuments)
  func documents(hardship: Hardship) async throws {
    try await Trial.run(hardship, at: .start)
  }

  @Test(
    "a discovery document that says something wrong, when it is read again",
    arguments: Hardship.ofDocuments.filter { !$0.isOutage }, [Trial.Moment.refresh, .end])
  func wrongDocuments(hardship: Hardship, moment: Trial.Moment) async throws {
    try await Trial.run(hardship, at: moment)
  }

  @Test(
    "a failure of discovery or of the key set for longer than a token's lifetime: the last good documents are used",
    arguments: Hardship.ofDocuments.filter(\.isOutage))
  func documentsServeOn(hardship: Hardship) async throws {
    try await Trial.runUnnoticed(hardship)
  }

  @Test("a failure of the proxy", arguments: Hardship.ofProxies, Trial.Moment.allCases)
  func proxies(hardship: Hardship, moment: Trial.Moment) async throws {
    try await Trial.run(hardship, at: moment)
  }

  @Test("a failure of this host's own files", arguments: Hardship.ofFiles, [Trial.Moment.refresh, .end])
  func files(hardship: Hardship, moment: Trial.Moment) async throws {
    try await Trial.run(hardship, at: moment)
  }

  @Test("every kind of failure has its row")
  func everyCode() {
    let rows = Hardship.all + Hardship.ofDocuments + Hardship.ofProxies + Hardship.ofFiles + Hardship.ofNames
    let missing = Set(FailureCode.allCases).subtracting(rows.map(\.code))
    // These need tables of their own: IntrospectionTests and ClientAuthenticationTests have them.
    let elsewhere: Set<FailureCode> = [.tokenInactive, .tlsPin, .tlsClientCertificate]
    // These are of a token that is held already.
    #expect(missing == elsewhere.union([.keyWithdrawn, .tokenRevoked, .apiProbe]))
  }

  @Test(
    "a failure of names and certificates",
    .enabled(if: PrivateNames.areAvailable, "needs a mount namespace of its own: run as root"),
    arguments: Hardship.ofNames, Trial.Moment.allCases)
  func names(hardship: Hardship, moment: Trial.Moment) async throws {
    try await Trial.run(hardship, at: moment)
  }
}
