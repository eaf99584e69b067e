import Glibc
import KonexusSandbox
import Testing

/// `signal`: a process that reads its token only once gets a signal for each new one.
@Suite("Signals to readers", .inTurn)
struct ReaderSignalTests {
  /// Starts a program that records each SIGHUP with the content of the token's file at that time.
  ///
  /// The program is ready when it has written its process id.
  private static func startReader(_ scene: Scene, pidFile: String, notes: String) async throws -> ChildProcess {
    let script = #"""
      use strict; $| = 1; my ($pid, $token) = @ARGV;
      $SIG{HUP} = sub { open(my $f, "<", $token) or return; local $/; print "HUP ", scalar <$f>, "\n" };
      open(my $f, ">", "$pid.new") or die; print $f "$$\n"; close $f; rename("$pid.new", $pid) or die;
      while (1) { select(undef, undef, undef, 1) }
      """#
    let reader = try ChildProcess(
      ["perl", "-e", script, pidFile, scene.workplace.tokenFile()], environment: ["PATH": "/usr/bin:/bin"],
      output: notes, errors: "/dev/null")
    try await scene.wait(for: "the reader") { Workplace.read(pidFile) != nil }
    return reader
  }

  @Test("each new token is told, once it is in the file; a token that is merely put back is not, nor one taken over")
  func told() async throws {
    try await withScene { scene in
      let pidFile = scene.workplace.path + "/reader.pid"
      let notes = scene.workplace.path + "/notes"
      let reader = try await Self.startReader(scene, pidFile: pidFile, notes: notes)
      defer { reader.kill() }
      func told() -> [String] { (Workplace.read(notes) ?? "").split(separator: "\n").map(String.init) }
      try scene.configure(scene.table("konexus", ["signal": "{ pid_file = \"\(pidFile)\" }"]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the first signal") { told().count == 1 }
      #expect(told() == ["HUP \(scene.token() ?? "?")"])
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the second") { told().count == 2 }
      #expect(told()[1] == "HUP \(scene.token() ?? "?")" && told()[0] != told()[1])
      unlink(scene.workplace.tokenFile())
      try await scene.wait(for: "the file's return") { scene.token() != nil }
      daemon.process.kill()
      let second = try scene.startDaemon()
      try await scene.wait(for: "adoption") { !second.log(with: "reusing the token of the previous run").isEmpty }
      // One more real one, before which a false one would have come.
      second.signal(SIGUSR1)
      try await scene.wait(for: "the third") { told().count >= 3 }
      #expect(told().count == 3)
    }
  }

  @Test(
    "a reader that does not run costs nothing; a file that names the wrong process is refused, and that is told",
    arguments: ["1\n", "-1", "the daemon", "12ab", "77777"])
  func wrong(content: String) async throws {
    try await withScene { scene in
      let pidFile = scene.workplace.path + "/reader.pid"
      try scene.configure(scene.table("konexus", ["signal": "{ pid_file = \"\(pidFile)\", signal = \"USR1\" }"]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(daemon.log(with: "warning").isEmpty, "\(daemon.log)")
      let token = scene.token()
      // A file that other users can write is not trusted.
      let isWritable = content == "77777"
      try scene.workplace.write(
        content == "the daemon" ? "\(daemon.process.pid)" : content, to: pidFile, mode: isWritable ? 0o666 : 0o644)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a new token") { scene.token() != token }
      let what = isWritable ? "chmod go-w" : "does not hold the id of a process"
      try await scene.wait(for: "a word about it") { !daemon.log(with: "warning", "not signalled", what).isEmpty }
      try await scene.wait(for: "the note") {
        daemon.status?.tokens[0].notes.contains { $0.contains("the application was not signalled") } == true
      }
      #expect(daemon.log(with: "not signalled").count == 1, "\(daemon.log)")
      #expect(daemon.process.ending == nil)
    }
  }
}
