import Glibc
import KonexusSandbox
import Testing

/// Texts of a hostile server, and of a forged status file, on the terminal of a person who types a command.
@Suite("Terminal", .inTurn)
struct TerminalTests {
  /// A window title, a colour by a C1 control, reversed text, invisible characters, and a forged line.
  private static let hostile =
    "\u{1B}]0;OWNED\u{7}\u{9B}31m\u{202E}\u{2066}\u{200F}\u{200B}\u{2028}\u{7F}\rx\nOK: 1 of 1 tokens in place"

  /// `hostile` as a member of a JSON document.
  private static let json =
    "\\u001b]0;OWNED\\u0007\u{9B}31m\u{202E}\u{2066}\u{200F}\u{200B}\u{2028}\u{7F}\\rx\\nOK: 1 of 1 tokens in place"

  /// Whether a text has no character that a terminal acts on or hides, except for our own colours and line breaks.
  private static func isHarmless(_ text: String) -> Bool {
    text.replacing(/\u{1B}\[([0-9]+m|K|H|J)/, with: "").unicodeScalars.allSatisfy { scalar in
      switch scalar.value {
      case 0x0a, 0x20..<0x7f: true
      case 0...0xa0, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff: false
      default: true
      }
    }
  }

  @Test(
    "a scope that RFC 6749 does not allow is refused: the good token stays, and check does not repeat the scope",
    arguments: ["in the token response", "in the token"])
  func hostileScope(_ place: String) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let good = scene.token()
      let scope: JSON = .string("tamarack \(Self.hostile)")
      let isResponse = place == "in the token response"
      scene.sandbox.inject(
        isResponse ? Fault(.setMembers(["scope": scope]), at: [.token]) : Fault(.setClaims(["scope": scope])))
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.code == "malformed-answer" && !failure.message.contains("OWNED"), "\(failure.message)")
      #expect(scene.token() == good)
      for onTerminal in [false, true] {
        let check = try await CommandRun(
          ["check", "--config", scene.workplace.configFile], in: scene.workplace, onTerminal: onTerminal)
        #expect(check.code == (isResponse ? 16 : 17), "\(check.output)")
        #expect(Self.isHarmless(check.output) && !check.output.contains("OWNED"), "\(check.output)")
      }
      #expect(Self.isHarmless(daemon.log) && !daemon.log.contains("OWNED"), "\(daemon.log)")
    }
  }

  @Test("a forged status file cannot move the cursor, hide text or add a line, in any command")
  func forgedStatus() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus"), scene.table("other"))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.process.kill()
      let file = scene.workplace.runtimeDirectory + "/status.json"
      var text = try #require(Workplace.read(file))
      let failure =
        #"{"code":"dns","count":1,"kind":"transient","message":"\#(Self.json)","remedy":"\#(Self.json)","since":1}"#
      for member in ["configuration", "issuer", "clientID", "path", "name"] {
        try text.setMember(member, to: "\"\(Self.json)\"")
      }
      for member in ["notes", "scope"] { try text.setMember(member, to: "[\"\(Self.json)\"]") }
      text.addMember("failure", failure, before: "issuer")
      text.addMember("publicationFailure", "\"\(Self.json)\"", before: "requestedScope")
      text.addMember("configurationProblem", "\"\(Self.json)\"", before: "reloads")
      try scene.workplace.write(text, to: file, mode: 0o644)

      let commands = [
        ["status"], ["status", Self.hostile], ["status", "--json"], ["status", "--probe", "ready"], ["status", "no"],
        ["show"],
        ["show", "no"], ["show", Self.hostile, "--min-validity", "9h", "--wait", "0s"], ["inspect", Self.hostile],
        ["reload"], ["wait", "--timeout", "0s"], ["wait", "no", "--timeout", "0s"],
        ["refresh", "no"], ["refresh", "no", "--wait", "0s"],
        ["wait", Self.hostile, "--timeout", "0s"],
      ]
      for command in commands {
        for onTerminal in [false, true] where !(onTerminal && command.contains(Self.hostile)) {
          let run = try await CommandRun(command, in: scene.workplace, onTerminal: onTerminal)
          #expect(run.code != 64, "\(command): \(run.errors)")
          #expect(Self.isHarmless(run.output + run.errors), "\(command): \(run.output)\(run.errors)")
          let lines = (run.output + run.errors).split(separator: "\n")
          #expect(lines.count { $0.hasPrefix("OK") } == 0, "\(command): \(lines)")
        }
      }
      let status = try await CommandRun(["status"], in: scene.workplace)
      #expect(status.output.contains(#"config: \u{1b}]0;OWNED\u{7}\u{9b}31m\u{202e}\u{2066}"#), "\(status.output)")
      let machine = try await CommandRun(["status", "--json"], in: scene.workplace)
      #expect(
        machine.output.contains(#"OWNED\u0007\u009b31m\u202e\u2066\u200f\u200b\u2028\u007f"#), "\(machine.output)")
    }
  }
}
