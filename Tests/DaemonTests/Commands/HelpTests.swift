import Testing

@Suite(.inTurn) struct HelpTests {
  /// The commands that `konexus-tokend --help` names, and that help itself.
  private func commands(_ workplace: Workplace) async throws -> [String] {
    let root = try await CommandRun(["--help"], in: workplace).lines
    let listed = root.drop { $0 != "SUBCOMMANDS:" }.dropFirst().prefix { !$0.isEmpty }
    return [""]
      + listed.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }.map { $0.split(separator: " ")[0] }.map(
        String.init)
  }

  @Test("by default, wait ends before systemd's limit for the start of a unit, 90 s")
  func waitsForLessThanSystemd() async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    let help = try await CommandRun(["wait", "--help"], in: workplace, environment: ["COLUMNS": "200"]).output
    let option = try #require(try /--timeout .*\(default:\s+([0-9]+)s\)/.firstMatch(in: help), "\(help)")
    // The program itself starts within the limit too.
    #expect(try #require(Int(option.output.1)) <= 75)
  }

  @Test("every command's help fits a screen of 24 lines and 80 columns, and has examples")
  func fitsAScreen() async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    let commands = try await commands(workplace)
    #expect(commands == ["", "run", "reload", "status", "wait", "refresh", "show", "inspect", "check"])
    for command in commands {
      let run = try await CommandRun(
        (command.isEmpty ? [] : [command]) + ["--help"], in: workplace, environment: ["COLUMNS": "80"])
      #expect(run.code == 0 && run.errors == "")
      var lines = run.lines
      while lines.last?.isEmpty == true { lines.removeLast() }
      #expect(lines.count <= 24, "\(command): \(lines.count) lines\n\(run.output)")
      for line in lines { #expect(line.count <= 80, "\(command): \(line)") }
      let examples = lines.drop { $0 != "Examples:" }.dropFirst().prefix { !$0.isEmpty }
      #expect(examples.count >= 2, "\(command) has no examples")
      for example in examples {
        #expect(example.hasPrefix("  ") && example.contains("konexus-tokend"), "a broken line: \(example)")
        // All users of the host can read the arguments of a command.
        #expect(!example.contains("\"$(konexus-tokend show"), "the token is an argument: \(example)")
      }
    }
  }
}
