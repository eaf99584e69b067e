import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

@Suite(.inTurn) struct InspectCommandTests {
  @Test func showsAllButTheSignature() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let token = try #require(scene.token())
      let run = try await CommandRun(["inspect"], in: scene.workplace)
      #expect(run.code == 0)
      let signature = try #require(token.split(separator: ".").last)
      #expect(!run.output.contains(signature))
      #expect(run.output.contains("  64 bytes, not shown\n"))
      #expect(run.lines.contains("  aud: \"tamarack\""))
      #expect(
        run.output.hasSuffix(
          "\nverifies: signature and claims are right; keys: https://localhost:PORT (stored by the daemon)\n"))
    }
  }

  private static let shown = """
    header
      alg: "ES256"
      kid: "HEX"
      x5t: "HASH"
      typ: "at+jwt"
    claims
      iss: "https://localhost:PORT"
      nbf: UNIX  TIME (REL)
      iat: UNIX  TIME (REL)
      exp: UNIX  TIME (REL)
      aud: "tamarack"
      scope: ["tamarack"]
      client_id: "ext-1741-sample-client"
      sub: "5f0a3c1e-8a3e-4d0e-9b8b-2c1f6f0e1741"
      tenantId: "1741"
      globalTenantId: "9d0f8c9a-6a5b-4d0b-8e57-0d3f5a7c1741"
      name: "Sample client"
      admin: false
      jti: "HEX"
    signature
      64 bytes, not shown


    """

  @Test(
    "a token from standard input is held against the daemon's token of its issuer, or against the issuer that is named")
  func readsStandardInput() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let input = scene.workplace.path + "/input"
      let token = try #require(scene.token())
      try scene.workplace.write("Authorization: Bearer \(token)\n", to: input)
      let known = try await CommandRun(["inspect", "-"], in: scene.workplace, input: input)
      #expect(known.code == 0)
      #expect(known.errors == "")
      #expect(
        known.output == Self.shown
          + "verifies: signature and claims are right; keys: https://localhost:PORT (stored by the daemon)\n")
      let fetched = try await CommandRun(
        ["inspect", "-", "--issuer", scene.sandbox.issuer, "--ca-file", scene.workplace.caFile], in: scene.workplace,
        environment: ["RUNTIME_DIRECTORY": scene.workplace.path], input: input)
      #expect(fetched.code == 0)
      #expect(
        fetched.output == Self.shown
          + "verifies: signature, issuer and times are right; keys: https://localhost:PORT (fetched REL)\n")
      let unknown = try await CommandRun(
        ["inspect", "-"], in: scene.workplace, environment: ["RUNTIME_DIRECTORY": scene.workplace.path], input: input)
      #expect(unknown.code == 3)
      #expect(
        unknown.output == Self.shown + """
          not verified: its issuer is none of the daemon's
          -> name the expected issuer with --issuer

          """)
    }
  }

  @Test func doesNotBelieveAForgedOne() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let input = scene.workplace.path + "/input"
      var parts = try #require(scene.token()).split(separator: ".").map(String.init)
      parts[2] = String(repeating: "A", count: parts[2].count)
      try scene.workplace.write(parts.joined(separator: "."), to: input)
      let forged = try await CommandRun(["inspect", "-"], in: scene.workplace, input: input)
      #expect(forged.code == 1)
      #expect(
        forged.output == Self.shown
          + "DOES NOT VERIFY: the token's signature (ES256) is not that of the key \"HEX\":"
          + " it was changed, or signed with another key\n"
      )
      try scene.workplace.write("opaque\n", to: input)
      let opaque = try await CommandRun(["inspect", "-"], in: scene.workplace, input: input)
      #expect(opaque.code == 1)
      #expect(opaque.output == "")
      #expect(
        opaque.errors == """
          konexus-tokend: the token is not a signed JWT: it has 1 part instead of 3: \
          it looks like an opaque token, which cannot be verified here
          -> pass the content of a token file

          """)
    }
  }
}
