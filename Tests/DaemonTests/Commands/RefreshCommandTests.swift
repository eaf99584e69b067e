import Broker
import Dispatch
import Glibc
import KonexusSandbox
import Synchronization
import Testing

@testable import Base

/// The command, with a socket of the test in place of the daemon's.
@Suite(.inTurn) struct RefreshCommandTests {
  private static let token = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl"

  /// A socket in a runtime directory, and what it was sent.
  private final class Listener: Sendable {
    private let received = Mutex<[RejectionRequest]>([])
    private let socket = Mutex<RejectionSocket?>(nil)
    private let queue = DispatchQueue(label: "rejections")

    /// - Parameter daemon: a daemon that listens there. It would put its socket back between two steps of this one.
    init(
      in workplace: Workplace, replacing daemon: DaemonProcess? = nil, answer: @escaping @Sendable () -> RejectionReply
    ) throws {
      try daemon?.pause()
      defer { daemon?.signal(SIGCONT) }
      let opened = try RejectionSocket(in: workplace.runtimeDirectory, queue: queue) { [unowned self] request, _ in
        received.withLock { $0.append(request) }
        return answer()
      }
      socket.withLock { $0 = opened }
    }

    deinit { queue.sync { socket.withLock { $0 = nil } } }

    var requests: [RejectionRequest] { received.withLock { $0 } }
  }

  private func withWorkplace(_ perform: (Workplace) async throws -> Void) async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    try await perform(workplace)
  }

  private func input(_ text: String, in workplace: Workplace) throws -> String {
    let path = workplace.path + "/input"
    try workplace.write(text, to: path)
    return path
  }

  // MARK: Answers

  @Test(
    "each answer has its code and sentence",
    arguments: [
      (.requested, 0, "konexus: a new token is requested\n", ""),
      (.newer, 0, "konexus: a newer token is in place, read the file again\n", ""),
      (
        .limited(seconds: 8), 75, "",
        "konexus-tokend: the next token konexus is requested REL\n-> see why: konexus-tokend status konexus\n"
      ),
      (
        .rejected(seconds: 240, code: "invalid-client"), 77, "",
        """
        konexus-tokend: the server rejects the client of konexus (invalid-client); the next attempt is REL
        -> see why: konexus-tokend status konexus

        """
      ),
      (
        .unknown, 64, "",
        "konexus-tokend: there is no token 'konexus'\n-> see their names: konexus-tokend status\n"
      ),
      (
        .error("why"), 69, "",
        """
        konexus-tokend: the daemon did not accept the request: 'why'
        -> its version may be another one: \(ServiceCommands.current.restart)

        """
      ),
    ] as [(RejectionReply, Int32, String, String)])
  func answers(_ reply: RejectionReply, _ code: Int32, _ output: String, _ errors: String) async throws {
    try await withWorkplace { workplace in
      let listener = try Listener(in: workplace) { reply }
      let plain = try await CommandRun(["refresh", "konexus"], in: workplace)
      #expect(plain.code == code && plain.output == output && plain.errors == errors, "\(plain)")
      let report = try await CommandRun(
        ["refresh", "konexus", "--rejected", "-"], in: workplace, input: input(Self.token, in: workplace))
      #expect(report.code == code && report.output == output && report.errors == errors, "\(report)")
      #expect(
        listener.requests == [
          .refresh(name: "konexus"), .rejected(name: "konexus", token: Secret(Self.token)),
        ])
    }
  }

  @Test("what a daemon that was taken over answers cannot control a terminal")
  func hostileAnswers() async throws {
    try await withWorkplace { workplace in
      let hostile = "\u{1b}]0;OWNED\u{7}\u{9b}31m\u{202e}x"
      for reply in [RejectionReply.rejected(seconds: 1, code: hostile), .error(hostile), .error("\(hostile)\nOK: x")] {
        let listener = try Listener(in: workplace) { reply }
        let run = try await CommandRun(["refresh", "konexus"], in: workplace)
        #expect([69, 77].contains(run.code) && run.output == "")
        #expect(run.errors.contains(#"\u{1b}]0;OWNED\u{7}"#), "\(run.errors)")
        #expect(run.errors.unicodeScalars.allSatisfy { $0 == "\n" || (0x20..<0x7f).contains($0.value) || $0 == "…" })
        #expect(!run.errors.contains("\nOK"))
        withExtendedLifetime(listener) {}
      }
    }
  }

  // MARK: The rejected token

  @Test("one line break at the end of the input is not part of the token")
  func lineBreak() async throws {
    try await withWorkplace { workplace in
      let listener = try Listener(in: workplace) { .newer }
      let run = try await CommandRun(
        ["refresh", "konexus", "--rejected", "-"], in: workplace, input: input(Self.token + "\n", in: workplace))
      #expect(run.code == 0, "\(run.errors)")
      #expect(listener.requests == [.rejected(name: "konexus", token: Secret(Self.token))])
    }
  }

  @Test(
    "input that is no token is reported and not sent",
    arguments: [
      "", "\n", token + "\n\n", " \(token)", "Authorization: Bearer \(token)", "\(token)\r\n", "k\u{f6}nexus",
      String(repeating: "x", count: 70_000), String(repeating: "x", count: 3_000_000),
    ])
  func noToken(_ text: String) async throws {
    try await withWorkplace { workplace in
      let listener = try Listener(in: workplace) { .newer }
      let run = try await CommandRun(
        ["refresh", "konexus", "--rejected", "-"], in: workplace, input: input(text, in: workplace))
      #expect(run.code == 64 && run.output == "")
      #expect(
        run.errors == """
          konexus-tokend: standard input does not hold a token and nothing else
          -> pass the rejected token alone: printf %s "$token" | konexus-tokend refresh --rejected -

          """)
      #expect(listener.requests.isEmpty)
    }
  }

  @Test("a path is not accepted in place of the token, and the message says why")
  func path() async throws {
    try await withWorkplace { workplace in
      let listener = try Listener(in: workplace) { .newer }
      let path = try input(Self.token, in: workplace)
      let run = try await CommandRun(["refresh", "konexus", "--rejected", path], in: workplace)
      #expect(run.code == 64 && run.errors.contains("can already hold a newer one"), "\(run.errors)")
      #expect(listener.requests.isEmpty)
    }
  }

  @Test("neither the token nor its digest is printed")
  func secrecy() async throws {
    try await withWorkplace { workplace in
      for reply in [RejectionReply.requested, .limited(seconds: 1), .unknown] {
        let listener = try Listener(in: workplace) { reply }
        let run = try await CommandRun(
          ["refresh", "konexus", "--rejected", "-"], in: workplace, input: input(Self.token, in: workplace))
        let digest = try #require(listener.requests.first?.line.split(separator: " ").last)
        #expect(digest.count == 64)
        for text in [Self.token[...], digest] { #expect(!(run.output + run.errors).contains(text)) }
      }
    }
  }

  // MARK: Which token, which daemon

  @Test(
    "a name that no token can have is unknown, and is not sent", arguments: ["a b", "a\nrefresh b", "", "k\u{f6}nexus"])
  func names(_ name: String) async throws {
    try await withWorkplace { workplace in
      let listener = try Listener(in: workplace) { .requested }
      let run = try await CommandRun(["refresh", name], in: workplace)
      #expect(run.code == 64 && run.errors.hasPrefix("konexus-tokend: there is no token '"), "\(run.errors)")
      #expect(listener.requests.isEmpty)
    }
  }

  @Test("without a name it is the only token, and of several the command names them")
  func onlyToken() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let listener = try Listener(in: scene.workplace, replacing: daemon) { .requested }
      #expect(try await CommandRun(["refresh"], in: scene.workplace).code == 0)
      #expect(listener.requests == [.refresh(name: "konexus")])
      try scene.configure(scene.table("north"), scene.table("south"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the reload") { daemon.status?.tokens.count == 2 }
      let run = try await CommandRun(["refresh"], in: scene.workplace)
      #expect(run.code == 64)
      #expect(run.errors == "konexus-tokend: there are several tokens\n-> name one of: north, south\n")
      #expect(listener.requests.count == 1)
    }
  }

  @Test("without a daemon it says so")
  func noDaemon() async throws {
    try await withWorkplace { workplace in
      var run = try await CommandRun(["refresh", "konexus"], in: workplace)
      #expect(run.code == 69 && run.errors.contains("there is no DIR/run/reject.sock\n"), "\(run.errors)")
      run = try await CommandRun(["refresh"], in: workplace)
      #expect(run.code == 69 && run.errors.contains("DIR/run/status.json does not exist"), "\(run.errors)")
      _ = try Listener(in: workplace) { .requested }
      run = try await CommandRun(["refresh", "konexus"], in: workplace)
      #expect(run.code == 69 && run.errors.contains("Connection refused"), "\(run.errors)")
    }
  }

  @Test("members of the group are served, other users learn what they lack", .enabled(if: geteuid() == 0))
  func users() async throws {
    try await withWorkplace { workplace in
      chmod(workplace.path, 0o711)
      let directory = workplace.runtimeDirectory
      // As systemd makes it for a daemon whose group the files get.
      try #require(chown(directory, 0, ForeignDaemon.user) == 0 && chmod(directory, 0o2750) == 0)
      let listener = try Listener(in: workplace) { .requested }
      let other = "--reuid=\(ForeignDaemon.other)"
      let member = ["setpriv", other, "--regid=\(ForeignDaemon.other)", "--groups=\(ForeignDaemon.user)"]
      let inside = try await CommandRun(["refresh", "konexus"], in: workplace, wrapper: member)
      #expect(inside.code == 0, "\(inside.errors)")
      let outside = try await CommandRun(
        ["refresh", "konexus"], in: workplace, wrapper: ForeignDaemon.run(as: ForeignDaemon.other))
      #expect(outside.code == 69)
      #expect(outside.errors.contains("-> use sudo, or join the group that can read the tokens: sudo usermod -aG "))
      #expect(listener.requests.count == 1)
    }
  }

  // MARK: --wait

  @Test("with --wait it returns when the file holds another token", arguments: [true, false])
  func waits(_ isReport: Bool) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let first = try #require(scene.token())
      let listener = try Listener(in: scene.workplace, replacing: daemon) { .requested }
      let arguments = ["refresh", "--wait", "1m"] + (isReport ? ["--rejected", "-"] : [])
      let run = try await CommandRun(
        arguments, in: scene.workplace, input: isReport ? scene.workplace.tokenFile() : "/dev/null"
      ) { running in
        try await scene.wait(for: "the request") { !listener.requests.isEmpty }
        try await scene.pass(0.5)
        #expect(running.process.ending == nil)
        daemon.signal(SIGUSR1)
      }
      #expect(run.code == 0 && run.output == "konexus: another token is in the file\n", "\(run)")
      #expect(scene.token() != first)
      // A report of the first one is late.
      let late = try await CommandRun(
        ["refresh", "--rejected", "-", "--wait", "0s"], in: scene.workplace,
        input: input(first, in: scene.workplace))
      #expect(late.code == 0, "\(late)")
    }
  }

  @Test("when its time is over it fails, and the next request is known")
  func waitsInVain() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let path = scene.workplace.tokenFile()
      let replies = [(RejectionReply.requested, ""), (.limited(seconds: 9), "; the next one is requested REL")]
      for (reply, note) in replies {
        let listener = try Listener(in: scene.workplace, replacing: daemon) { reply }
        let run = try await CommandRun(
          ["refresh", "--rejected", "-", "--wait", "1s"], in: scene.workplace, input: path)
        #expect(run.code == 75 && run.output == "")
        #expect(
          run.errors == """
            konexus-tokend: the file of konexus holds the same token as before (waited for SPAN\(note))
            -> see why: konexus-tokend status konexus

            """)
        withExtendedLifetime(listener) {}
      }
      // A rejected client is not worth a wait.
      let listener = try Listener(in: scene.workplace, replacing: daemon) {
        .rejected(seconds: 60, code: "invalid-client")
      }
      let run = try await CommandRun(["refresh", "--wait", "10m"], in: scene.workplace)
      #expect(run.code == 77)
      withExtendedLifetime(listener) {}
    }
  }

  // MARK: The man page

  @Test("the man page's program in Python reports a token, and returns its successor")
  func manual() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let page = try #require(Workplace.read(Self.root + "/systemd/man/konexus-tokend.8.scd"))
      // Between two lines of backquotes, with a backslash before each backslash.
      let blocks = page.split(separator: "\n```\n").filter { $0.hasPrefix("import hashlib") }
      let program = try #require(blocks.first).replacing(#"\\"#, with: #"\"#)
        .replacing("/run/konexus-tokend", with: scene.workplace.runtimeDirectory)
      let script = scene.workplace.path + "/replace.py"
      try scene.workplace.write("\(program)\nprint(replace(FILE.read_text()))\n", to: script)
      let first = try #require(scene.token())
      let listener = try Listener(in: scene.workplace, replacing: daemon) {
        daemon.signal(SIGUSR1)
        return .requested
      }
      let output = scene.workplace.path + "/output"
      let run = try ChildProcess(
        ["python3", script], environment: ["PATH": "/usr/bin:/bin"], output: output, errors: output)
      try await scene.wait(for: "its end") { run.ending != nil }
      let token = try #require(scene.token())
      #expect(token != first && Workplace.read(output) == "requested\n\(token)\n")
      #expect(listener.requests == [.rejected(name: "konexus", token: Secret(first))])
    }
  }

  /// The directory of Package.swift.
  private static let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
}
