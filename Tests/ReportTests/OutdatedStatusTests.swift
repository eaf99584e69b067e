import Foundation
import Testing
@testable import Base
@testable import Files
@testable import OAuth
@testable import Publication
@testable import Report

/// A status file that is older than the token: the daemon found no space to write another one.
@Suite struct OutdatedStatusTests {
  private static let now = Moment.now()

  @Test(
    "by the token's own end it is valid at once, and a warning once it lasts",
    arguments: [(5.0, "valid"), (60, "status out of date")])
  func newerToken(age: Double, health: String) throws {
    let report = try judge(ending: -10, token: jwt(exp: Self.now.unix + 1000), age: age)
    #expect(report.tokens[0].health.rawValue == health)
    #expect(try #require(report.tokens[0].remaining) > .seconds(990))
    #expect(report.severity == (age < 30 ? .ok : .warning) && !report.isOverdue)
    #expect(throws: Never.self) { try TokenFileReader.read(report.tokens[0], in: report, validFor: .seconds(900)) }
    if age > 30 {
      #expect(report.text(.plain, inDetail: true).rendered(.plain).contains("-> the daemon cannot write its status"))
    }
  }

  @Test("a newer token that has ended is expired")
  func endedToken() throws {
    let report = try judge(ending: -10, token: jwt(exp: Self.now.unix - 1), age: 60)
    #expect(report.tokens[0].health == .expired && report.severity == .critical)
  }

  @Test("a token that is older than the status is judged by the status")
  func olderToken() throws {
    let report = try judge(ending: -10, token: jwt(exp: Self.now.unix + 1000), age: 200)
    #expect(report.tokens[0].health == .expired)
  }

  @Test("a newer token that does not say when it ends is doubtful, not expired, and is not shown")
  func opaqueToken() throws {
    let report = try judge(ending: -10, token: "opaque", age: 60, verification: .introspection)
    #expect(report.tokens[0].health == .outOfDate && report.severity == .warning)
    let refusal = try #require(throws: TokenFileReader.Refusal.self) {
      try TokenFileReader.read(report.tokens[0], in: report, validFor: .zero)
    }
    #expect(refusal.code == 3 && refusal.remedy.contains("df -h"))
  }

  private func jwt(exp: Double) -> String {
    func part(_ json: String) -> String {
      Data(json.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
    return part(#"{"alg":"ES256"}"#) + "." + part("{\"exp\":\(Int(exp))}") + ".c2ln"
  }

  /// A report on a running daemon whose status is 100 s old.
  ///
  /// - Parameters:
  ///   - ending: when the token of the status expires, in seconds from now.
  ///   - token: the content of its file, which was written `age` seconds ago.
  private func judge(
    ending: Double, token: String, age: Double, verification: TokenVerification = .jwt
  ) throws -> StatusReport {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("konexus-\(UUID())").path
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    let path = directory + "/konexus.token"
    try Data(token.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o640, .modificationDate: Date(timeIntervalSince1970: Self.now.unix - age)],
      ofItemAtPath: path)
    var token = TokenStatus(name: "konexus", issuer: "https://auth.example.com", clientID: "c")
    token.condition = .valid
    token.expiresAtBoot = (Self.now.boot + .seconds(ending)).nanoseconds
    token.expiresAt = Self.now.unix + ending
    token.dueAtBoot = (Self.now.boot - .seconds(60)).nanoseconds
    token.requests = 1
    token.successes = 1
    token.tally = RequestTally()
    token.outputs = [.init(path: path, mode: "0640", format: "raw")]
    token.scope = []
    token.requestedScope = []
    token.audience = ["tamarack"]
    token.verification = verification
    token.notes = []
    let status = BrokerStatus(
      pid: getpid(), bootID: BootID.current, writtenAt: Self.now.unix - 100, startedAt: Self.now.unix - 500,
      isReady: true,
      configuration: "/etc/config.toml", reloads: 0,
      tokens: [
        token
      ])
    let loaded = LoadedStatus(
      status: status, directory: directory, owner: geteuid(), modified: Self.now.unix - 100, isLocked: true)
    return StatusReport(loaded, now: Self.now)
  }
}
