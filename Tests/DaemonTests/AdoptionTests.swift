import Glibc
import KonexusSandbox
import Testing

/// A daemon that starts again takes over the token that the former one left: no request, no gap.
@Suite("Restart", .inTurn)
struct AdoptionTests {
  @Test("the token serves on after a stop and after kill -9: no request is made", arguments: [SIGTERM, SIGKILL])
  func restart(signal: Int32) async throws {
    try await withScene { scene in
      try scene.configure()
      var daemon = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      let reader = try await scene.startReader()
      let requests = scene.sandbox.requests.count
      for round in 1...3 {
        daemon.signal(signal)
        _ = try await scene.ending(of: daemon)
        daemon = try scene.startDaemon()
        try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == round + 1 }
        #expect(daemon.log(with: "reusing the token of the previous run").count == 1, "\(daemon.log)")
      }
      try await scene.pass(1)
      let more = scene.sandbox.requests.dropFirst(requests).map(\.path)
      #expect(more.isEmpty, "a restart costs no request: \(more)")
      #expect(scene.token() == token)
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty && report.tokens == 1, "\(report)")
    }
  }

  @Test("also while the authorization server is down; the refresh is caught up when it is back")
  func whileDown() async throws {
    try await withScene(lifetime: 20) { scene in
      try scene.configure()
      let first = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      await scene.sandbox.down()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      try await scene.sandbox.up()
      try await scene.wait(for: "the next token") { reader.report().tokens == 2 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test("kill -9 at any moment of a refresh leaves a whole token, and a start that sweeps", arguments: 1...4)
  func killedInTheMiddle(round: Int) async throws {
    try await withScene(lifetime: 8) { scene in
      try scene.configure()
      var daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      for kill in 1...6 {
        daemon.signal(SIGUSR1)
        usleep(UInt32((round * 7 + kill * 11) % 60) * 1000)
        daemon.signal(SIGKILL)
        _ = try await scene.ending(of: daemon)
        let left = scene.workplace.runtimeDirectory + "/.konexus.token.tmp-left"
        try scene.workplace.write("half of a tok", to: left)
        daemon = try scene.startDaemon()
        try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == kill + 1 }
        #expect(access(left, F_OK) != 0, "a temporary file of a killed run is swept")
      }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.empty == 0 && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test("killed between writing what the next run needs and the token itself: the old token is taken over")
  func killedBeforeTheRename() async throws {
    try await withScene { scene in
      try scene.configure()
      let first = try scene.startDaemon()
      try await scene.ready()
      let old = try #require(scene.token())
      try await scene.wait(for: "a second token") {
        first.signal(SIGUSR1)
        return scene.token() != old
      }
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      // As the kill leaves it: the state is that of the refresh, the file still the one before.
      try scene.workplace.write(old, to: scene.workplace.tokenFile(), mode: 0o640)
      let reader = try await scene.startReader()
      scene.sandbox.resetCounts()
      await scene.sandbox.down()
      let second = try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      #expect(second.log(with: "reusing the token of the previous run").count == 1, "\(second.log)")
      #expect(scene.token() == old && scene.sandbox.counts[.token] == 0)
      #expect(reader.finish().gaps.isEmpty)
    }
  }

  @Test("a table that was removed before the restart, or whose file was moved, leaves no file that nobody looks after")
  func orphans() async throws {
    try await withScene { scene in
      let elsewhere = scene.workplace.runtimeDirectory + "/elsewhere"
      try scene.configure(scene.table("goes"), scene.table("moves"), scene.table("stays"))
      let first = try scene.startDaemon()
      try await scene.ready()
      try await scene.wait(for: "the status") { first.status?.tokens.allSatisfy { $0.condition == .valid } ?? false }
      let token = scene.token("stays")
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      try scene.configure(scene.table("moves", ["file": "\"\(elsewhere)\""]), scene.table("stays"))
      try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      try await scene.wait(for: "its own files, and no other") {
        Set(try Scene.files(in: scene.workplace.runtimeDirectory))
          == Set(["elsewhere", "moves.state", "stays.token", "stays.state"]).union(Scene.daemonFiles)
      }
      #expect(scene.token("stays") == token)
    }
  }

  @Test(
    "a restart with other settings: the token stays until its successor is there, or until it expires",
    arguments: ["scope", "issuer", "verify"])
  func otherSettings(key: String) async throws {
    let client = SandboxClient(id: "c", secrets: ["s3cret-of-the-client"], scopes: ["tamarack", "other"])
    try await withScene(lifetime: 8, options: { $0.clients = [client] }) { scene in
      try scene.configure()
      let first = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      let token = try #require(scene.token())
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      if key == "verify" { scene.sandbox.inject(.status(503), at: [.token]) }
      let changes = ["scope": "\"tamarack other\"", "issuer": "\"https://localhost:1\"", "verify": "\"introspection\""]
      try scene.configure(scene.table("konexus", [key: changes[key] ?? ""]))
      for _ in 0..<2 {
        // Also after one more restart the token is one of former settings: a new one is asked for at once.
        let daemon = try scene.startDaemon()
        try await scene.wait(for: "the attempt") {
          daemon.status?.tokens.first.map { $0.requests > 0 && ($0.failure != nil || $0.successes > 0) } ?? false
        }
        if key != "scope" { #expect(scene.token() == token) }
        daemon.signal(SIGKILL)
        _ = try await scene.ending(of: daemon)
      }
      if key == "scope" {
        try scene.startDaemon()
        try await scene.wait(for: "a token with the scope") { scene.token() != token && scene.token() != nil }
        let report = reader.finish()
        #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
      } else {
        try scene.startDaemon()
        try await scene.wait(for: "its expiry") { scene.token() == nil }
        let report = reader.finish()
        #expect(report.refused.isEmpty && report.gaps.count <= 1, "\(report)")
      }
    }
  }

  @Test(
    "what is not as it was left is not adopted, and not left for readers",
    arguments: [
      "tampered", "emptied", "cut", "another good token", "state of another", "a state that others can write", "ended",
      "symlink",
    ])
  func notAdopted(how: String) async throws { try await expectNoAdoption(how) }

  /// `Duration` traps at such a number. With `Restart=always`, the daemon would never come back.
  @Test("whatever time a state names, of this boot or another, the next run starts", arguments: [true, false])
  func stateWithForgedTime(isOfThisBoot: Bool) async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["verify": "\"introspection\""]))
      let first = try scene.startDaemon()
      try await scene.ready()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      let path = scene.workplace.runtimeDirectory + "/konexus.state"
      var text = try #require(Workplace.read(path))
      text.replace(#/"serverTime":[0-9.e+]+/#, with: #""serverTime":1e300"#)
      if !isOfThisBoot { text.replace(#/"bootID":"[^"]*"/#, with: #""bootID":"11111111-2222-3333-4444-555555555555""#) }
      try scene.workplace.write(text, to: path)
      let second = try scene.startDaemon()
      try await scene.wait(for: "a new token") { scene.sandbox.counts[.token] == 2 && scene.token() != nil }
      #expect(second.process.ending == nil)
    }
  }

  @Test("a state that belongs to another user is not adopted", .enabled(if: geteuid() == 0, "needs root, for chown"))
  func notAdoptedFromAnotherUser() async throws { try await expectNoAdoption("state of another user") }

  private func expectNoAdoption(_ how: String) async throws {
    let client = SandboxClient(id: "c", secrets: ["s3cret-of-the-client"], scopes: ["tamarack", "other"])
    try await withScene(lifetime: how == "ended" ? 4 : 3600, options: { $0.clients = [client] }) { scene in
      try scene.configure(scene.table(), scene.table("second"))
      let first = try scene.startDaemon()
      try await scene.ready()
      let (place, file, state) = (scene.workplace, scene.workplace.tokenFile(), "/konexus.state")
      let token = try #require(scene.token())
      let other = try #require(scene.token("second"))
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      switch how {
      case "tampered": try place.write(String(token.dropLast(4)) + "AAAA", to: file, mode: 0o640)
      case "emptied": try place.write("", to: file, mode: 0o640)
      case "cut": try place.write(String(token.prefix(token.count / 2)), to: file, mode: 0o640)
      case "another good token": try place.write(other, to: file, mode: 0o640)
      case "state of another":
        let text = try #require(Workplace.read(place.runtimeDirectory + "/second.state"))
        try place.write(text, to: place.runtimeDirectory + state)
      case "state of another user":
        #expect(chown(place.runtimeDirectory + state, 1, 1) == 0)
      case "a state that others can write": #expect(chmod(place.runtimeDirectory + state, 0o622) == 0)
      case "ended": try await scene.pass(4)
      default:
        rename(file, place.path + "/moved")
        #expect(symlink(place.path + "/moved", file) == 0)
      }
      scene.sandbox.resetCounts()
      scene.sandbox.inject(.delay(seconds: 1.5), at: [.token])
      try scene.startDaemon()
      try await scene.wait(for: "a request") { scene.sandbox.counts[.token] >= 1 }
      #expect(scene.token() == nil, "what nobody verified is not left for readers")
      try await scene.wait(for: "a new token") { scene.token() != nil }
      #expect(scene.token() != token && scene.sandbox.refusal(of: scene.token() ?? "") == nil)
      if how != "ended" { #expect(scene.token("second") == other, "the other one serves on") }
      if how == "symlink" { #expect(Workplace.read(place.path + "/moved") == token, "nothing is written through it") }
    }
  }
}
