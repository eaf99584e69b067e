import Testing

/// Every failure x at the first start, at a refresh, through the end of a token's life.
///
/// Asserted of each row: what a reader in its own process sees throughout, the failure's code and kind, the pace of requests as the
/// server counts them, that a lasting failure is logged once and its end once, and the way back.
@Suite("Fault matrix", .inTurn)
struct FaultMatrixTests {
  @Test("a failure that can come at any moment", arguments: Hardship.all, Trial.Moment.allCases)
  func anyMoment(hardship: Hardship, moment: Trial.Moment) async throws {
    try await Trial.run(hardship, at: moment)
  }

  @Test("a failure of discovery or of the key set, at the first start", arguments: Hardship.ofDocuments)
  func documents(hardship: Hardship) async throws {
    try await Trial.run(hardship, at: .start)
  }

  @Test(
    "a failure of names and certificates",
    .enabled(if: PrivateNames.areAvailable, "needs a mount namespace of its own: run as root"),
    arguments: Hardship.ofNames, Trial.Moment.allCases)
  func names(hardship: Hardship, moment: Trial.Moment) async throws {
    try await Trial.run(hardship, at: moment)
  }
}
