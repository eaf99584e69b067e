import Base
import Broker
import Glibc
import KonexusSandbox
import Publication
import Report
import Testing

/// Servers as they are in practice, row by row of the manual's table SERVERS IN PRACTICE.
@Suite("Servers in practice", .inTurn)
struct ServersInPracticeTests {
  /// What a server does, and the settings that accept it.
  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var faults: [Fault]
    var settings: KeyValuePairs<String, String> = [:]
    var form = SandboxSettings.TokenForm.jwt
  }

  private static let documents: [SandboxEndpoint] = [.discovery, .jwks, .token, .introspection, .revocation]

  private static let codings: [Row] = ContentCoding.allCases.filter { $0 != .gzipTwice && $0 != .brotli }.map {
    Row(testDescription: "\($0.rawValue) everywhere", faults: [Fault(.contentEncoding($0), at: Set(documents))])
  }

  private static let acceptedByDefault: [Row] =
    codings + [
      Row(
        testDescription: "a name of a coding that is wrong",
        faults: [Fault(.header("Content-Encoding", "utf-8"), at: Set(documents))]),
      Row(
        testDescription: "gzip that is none",
        faults: [Fault(.header("Content-Encoding", "gzip"), at: Set(documents))]),
      Row(testDescription: "201 everywhere", faults: [Fault(.otherStatus(201), at: Set(documents))]),
      Row(testDescription: "202 for the token", faults: [Fault(.otherStatus(202), at: [.token])]),
      Row(
        testDescription: "203 for the documents", faults: [Fault(.otherStatus(203), at: [.discovery, .jwks])]),
      Row(
        testDescription: "numbers as sub and jti, fractions as times",
        faults: [Fault(.setClaims(["sub": 1741, "jti": 4.5, "nbf": .raw("1700000000.5")]))]),
      Row(testDescription: "other values as sub and jti", faults: [Fault(.setClaims(["sub": true, "jti": [1]]))]),
    ]

  @Test("is accepted by default", arguments: acceptedByDefault)
  func isAccepted(_ row: Row) async throws {
    try await withScene { scene in
      for fault in row.faults { scene.sandbox.inject(fault) }
      try scene.configure(scene.table("konexus", ["verify": "\"jwt\"", "revoke_on_stop": "true"]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let token = try #require(scene.token())
      #expect(scene.sandbox.refusal(of: token) == nil)
      #expect(daemon.status?.tokens.first?.notes == [])
      // A request for a token is never repeated because of its response.
      #expect(scene.sandbox.counts[.token] == 1)
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.sandbox.refusal(of: token) == "revoked")
    }
  }

  @Test(
    "is accepted by introspection too",
    arguments: [.contentEncoding(.gzip), .contentEncoding(.rawDeflate), .otherStatus(201)] as [Fault.Kind])
  func isAcceptedByIntrospection(_ kind: Fault.Kind) async throws {
    try await withScene(options: { $0.settings.tokenForm = .opaque }) { scene in
      scene.sandbox.inject(Fault(kind, at: Set(Self.documents)))
      scene.sandbox.inject(.setMembers(["sub": 1741]), at: [.introspection])
      try scene.configure(scene.table("konexus", ["verify": "\"introspection\""]))
      try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(scene.sandbox.counts[.token] == 1 && scene.sandbox.counts[.introspection] == 1)
    }
  }

  /// What needs a setting: how `check` names it, and what the status says then.
  struct Exception: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var fault: Fault
    var code: FailureCode
    var advice: String
    var setting: (key: String, value: String)
    var note: String
  }

  private static let condition = "If the server's operator confirms that its tokens are Bearer tokens, set "

  static let exceptions = [
    Exception(
      testDescription: "no token_type", fault: Fault(.removeMembers(["token_type"]), at: [.token]), code: .tokenType,
      advice: "the token response has no token_type. \(condition)token_type = []",
      setting: ("token_type", "[]"), note: "responses without token_type are accepted (token_type = [])"),
    Exception(
      testDescription: "BearerToken", fault: Fault(.setMembers(["token_type": "BearerToken"]), at: [.token]),
      code: .tokenType,
      advice: "the token_type is \"BearerToken\", not \"Bearer\". \(condition)token_type = \"BearerToken\"",
      setting: ("token_type", "\"BearerToken\""),
      note: "another token_type than Bearer is accepted (token_type = \"BearerToken\")"),
    Exception(
      testDescription: "no aud", fault: Fault(.removeClaims(["aud"])), code: .wrongAudience,
      advice: "the token has no \"aud\" claim. If the server's operator confirms this, set audience = []",
      setting: ("audience", "[]"), note: "tokens without \"aud\" are accepted (audience = [])"),
    Exception(
      testDescription: "aud empty", fault: Fault(.setClaims(["aud": []])), code: .wrongAudience,
      advice: "the token has an empty \"aud\" claim. If the server's operator confirms this, set audience = []",
      setting: ("audience", "[]"), note: "tokens without \"aud\" are accepted (audience = [])"),
  ]

  @Test("needs the setting that check names, and the status shows it", arguments: exceptions)
  func needsASetting(_ exception: Exception) async throws {
    try await withScene { scene in
      scene.sandbox.inject(exception.fault)
      try scene.configure()
      let check = ["check", "--config", scene.workplace.configFile]
      let failed = try await CommandRun(check, in: scene.workplace)
      #expect(failed.code != 0 && failed.output.contains(exception.advice + "\n"), "\(failed.output)")
      let table = scene.table("konexus", [exception.setting.key: exception.setting.value])
      try scene.configure(table)
      let passed = try await CommandRun(check, in: scene.workplace)
      #expect(passed.code == 0 && passed.output.contains(exception.note), "\(passed.output)")
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.code == exception.code.rawValue && failure.kind == .refused, "\(failure)")
      #expect(failure.message == exception.advice)
      #expect(scene.token() == nil)
      // As check says.
      try scene.configure(table)
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the token") { scene.token() != nil }
      try await scene.settled()
      let token = try #require(scene.token())
      let report = StatusReport(try StatusFile.find(in: scene.workplace.runtimeDirectory))
      #expect(report.text(.plain, inDetail: true).rendered(.plain).contains(exception.note))
      #expect(daemon.status?.tokens.first?.notes == [exception.note])
      try await scene.wait(for: "the note in STATUS") { scene.notify.status?.contains(exception.note) == true }
      // A restart costs nothing.
      let asked = scene.sandbox.counts[.token]
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      let second = try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      #expect(scene.token() == token && scene.sandbox.counts[.token] == asked)
      #expect(second.status?.tokens.first?.notes == [exception.note])
    }
  }

  @Test(
    "audience = [] accepts nothing else: not a token for an audience, nor one that does not verify",
    arguments: [
      (.contentType("text/plain"), .wrongAudience), (.setClaims(["aud": "other"]), .wrongAudience),
      (.setClaims(["aud": [""]]), .wrongAudience), (.signature(.unpublishedKey), .signature),
      (.signature(.none), .malformedToken), (.wrongTokenIssuer, .wrongIssuer), (.wrongClientID, .wrongClient),
      (.wrongTokenScope, .missingScope), (.expiredToken, .tokenExpired),
    ] as [(Fault.Kind, FailureCode)])
  func withoutAudience(_ kind: Fault.Kind, _ code: FailureCode) async throws {
    try await withScene { scene in
      if code != .wrongAudience { scene.sandbox.inject(.removeClaims(["aud"])) }
      scene.sandbox.inject(kind, at: [.token])
      try scene.configure(scene.table("konexus", ["audience": "[]"]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      #expect(daemon.status?.tokens.first?.failure?.code == code.rawValue)
      #expect(scene.token() == nil)
    }
  }

  @Test(
    "an opaque token of visible characters is published in each format, and kept over a restart",
    arguments: ["none", "introspection"])
  func otherCharacters(verify: String) async throws {
    let token = #"42|0aZ!"quoted"'\back\\$HOME`id`#,;{}[]()<>&~=:@^%*?"#
    try await withScene { scene in
      scene.sandbox.inject(.replaceToken(token))
      let formats = ["header", "json", "env"].map { "[[token.konexus.output]]\nformat = \"\($0)\"\n" }
      try scene.configure(scene.table("konexus", ["verify": "\"\(verify)\""]) + formats.joined())
      let first = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.token() == token)
      let stem = "\(scene.workplace.runtimeDirectory)/konexus"
      #expect(Workplace.read(stem + ".header") == "Authorization: Bearer \(token)\n")
      #expect(Workplace.read(stem + ".json")?.contains(#""access_token":\#(Printable.quotedJSON(token))"#) == true)
      // A shell reads the variable, as systemd does.
      let output = scene.workplace.path + "/variable"
      let shell = try ChildProcess(
        ["sh", "-c", ". \(stem).env; printf %s \"$KONEXUS_TOKEN\""], environment: ["PATH": "/usr/bin:/bin"],
        output: output, errors: output + ".err")
      try await scene.wait(for: "the shell") { shell.ending != nil }
      #expect(Workplace.read(output) == token)
      let show = try await CommandRun(["show", "konexus"], in: scene.workplace)
      #expect(show.code == 0 && show.output.contains("quoted"), "\(show.errors)")
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      #expect(scene.token() == token)
    }
  }

  @Test("a file of a variable in double quotes stays over a restart")
  func variableStays() async throws {
    let token = #"a"b\c$d`e"#
    try await withScene { scene in
      scene.sandbox.inject(.replaceToken(token))
      try scene.configure(
        scene.table("konexus", ["verify": "\"none\""]) + "[[token.konexus.output]]\nformat = \"env\"\n")
      let first = try scene.startDaemon()
      try await scene.ready()
      let file = "\(scene.workplace.runtimeDirectory)/konexus.env"
      #expect(Workplace.read(file) == "KONEXUS_TOKEN=\"a\\\"b\\\\c\\$d\\`e\"\n")
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      #expect(Workplace.read(file) == "KONEXUS_TOKEN=\"a\\\"b\\\\c\\$d\\`e\"\n")
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }

  /// What is not accepted with any settings.
  struct Refusal: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var fault: Fault
    var code: FailureCode
    var word: String
  }

  static let refusals = [
    Refusal(
      testDescription: "a token with a space", fault: Fault(.replaceToken("opaque token")), code: .unsendableToken,
      word: "it has a space at byte 7"),
    Refusal(
      testDescription: "a token with a line break", fault: Fault(.replaceToken("opaque\r\nX-Evil: 1")),
      code: .unsendableToken, word: "it has a line break at byte 7"),
    Refusal(
      testDescription: "a token outside ASCII", fault: Fault(.replaceToken("opaqu\u{e9}")), code: .unsendableToken,
      word: "it has a character outside ASCII at byte 6"),
    Refusal(
      testDescription: "204", fault: Fault(.otherStatus(204), at: [.token]), code: .malformedAnswer,
      word: "answered 204 without content"),
    Refusal(
      testDescription: "brotli", fault: Fault(.contentEncoding(.brotli), at: [.token]), code: .contentEncoding,
      word: "answered 200 with the content coding 'br', which cannot be decoded here"),
    Refusal(
      testDescription: "gzip in gzip", fault: Fault(.contentEncoding(.gzipTwice), at: [.token]),
      code: .contentEncoding, word: "with the content coding 'gzip, gzip'"),
    Refusal(
      testDescription: "gzip that decodes to 8 MiB", fault: Fault(.gzipBomb(mebibytes: 8), at: [.token]),
      code: .tooLarge, word: "content of more than 1048576 bytes"),
    Refusal(
      testDescription: "DPoP", fault: Fault(.setMembers(["token_type": "DPoP"]), at: [.token]), code: .tokenType,
      word: "the token_type is \"DPoP\", not \"Bearer\": applications cannot use such a token"),
  ]

  @Test("is rejected, and the message says why", arguments: refusals)
  func isRejected(_ refusal: Refusal) async throws {
    try await withScene { scene in
      scene.sandbox.inject(refusal.fault)
      try scene.configure(
        scene.table("konexus", ["verify": "\"none\"", "token_type": "[]", "audience": "[]"]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.code == refusal.code.rawValue, "\(failure)")
      #expect(failure.message.contains(refusal.word), "\(failure.message)")
      #expect(scene.token() == nil)
    }
  }
}
