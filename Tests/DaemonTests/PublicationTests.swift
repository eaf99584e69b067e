import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// What may happen to the file and its directory under the daemon's feet.
@Suite("Publication", .inTurn)
struct PublicationTests {
  /// Runs a program without inotify. This is a limit of its own user namespace: other processes keep theirs.
  private static let noInotify = [
    "unshare", "--user", "--map-root-user", "sh", "-c",
    #"echo 0 > /proc/sys/user/max_inotify_instances && exec "$0" "$@""#,
  ]

  @Test(
    "without inotify and without a watchdog a deleted file is back within seconds, and that is reported once",
    .enabled(if: geteuid() == 0, "needs root"))
  func withoutInotify() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(isSupervised: false, wrapper: Self.noInotify)
      try await scene.wait(for: "the token") { scene.token() != nil }
      let token = scene.token()
      for _ in 0..<2 {
        unlink(scene.workplace.tokenFile())
        try await scene.wait(for: "the file", atMost: 8) { scene.token() == token }
      }
      #expect(daemon.log(with: "no inotify instance left").count == 1, "\(daemon.log)")
    }
  }

  @Test(
    "systemd gets the status that a check of the files found, also without a watchdog",
    .enabled(if: geteuid() == 0, "needs root"))
  func statusWithoutWatchdog() async throws {
    // The text has the remaining lifetime. It must not change meanwhile, because each change is sent.
    try await withScene(lifetime: 7 * 86_400 - 1800) { scene in
      let directory = scene.workplace.path + "/outputs"
      guard mkdir(directory, 0o750) == 0 else { throw HarnessError("cannot make \(directory)") }
      try scene.configure(scene.table("konexus", ["file": "\"\(directory)/t\""]))
      // Without inotify, only the look finds the change.
      let daemon = try scene.startDaemon(wrapper: Self.noInotify)
      try await scene.ready()
      guard rename(directory, directory + ".away") == 0 else { throw HarnessError("cannot rename \(directory)") }
      try await scene.wait(for: "the failure", atMost: 10) {
        daemon.status?.tokens.first?.publicationFailure?.contains(directory) ?? false
      }
      try await scene.wait(for: "the same for systemd", atMost: 10) {
        scene.notify.status?.contains("cannot be published") ?? false
      }
      #expect(scene.notify.count(of: "WATCHDOG=1") == 0)
    }
  }

  @Test("a state file that is removed is back at once: a restart would lose the token without it")
  func removedState() async throws {
    try await withScene { scene in
      try scene.configure()
      var daemon = try scene.startDaemon()
      try await scene.ready()
      let state = scene.workplace.runtimeDirectory + "/konexus.state"
      let token = scene.token()
      for _ in 0..<2 {
        unlink(state)
        try await scene.wait(for: "the state file", atMost: 5) { access(state, F_OK) == 0 }
        daemon = try await scene.expectTakeover(from: daemon)
        #expect(scene.token() == token)
      }
    }
  }

  @Test("a stop puts back what was removed just before it: a restart finds the token")
  func removedBeforeStop() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = try #require(scene.token())
      let path = scene.workplace.runtimeDirectory + "/konexus.token"
      let state = scene.workplace.runtimeDirectory + "/konexus.state"
      // The second removal within a second is not undone at once.
      unlink(path)
      try await scene.wait(for: "the token") { scene.token() == token }
      unlink(state)
      unlink(path)
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.token() == token && access(state, F_OK) == 0)
      let next = try scene.startDaemon()
      try await scene.wait(for: "the restored token") {
        !next.log(with: "reusing the token of the previous run").isEmpty
      }
      #expect(scene.token() == token && scene.sandbox.counts[.token] == 1)
    }
  }

  @Test("a state file that cannot be written is reported, and written as soon as that is possible")
  func stateFile() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let state = scene.workplace.runtimeDirectory + "/konexus.state"
      // The daemon may be as quick to put its file back.
      try await scene.wait(for: "a directory in place") {
        unlink(state)
        return mkdir(state, 0o700) == 0
      }
      let token = scene.token()
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "another token") { scene.token() != token && scene.token() != nil }
      try await scene.wait(for: "the report") {
        daemon.status?.tokens.first?.notes.contains { $0.contains("konexus.state is a directory") } ?? false
      }
      #expect(daemon.log(with: "a restart will need a new token", "konexus.state").count == 1, "\(daemon.log)")
      // A reload must not forget it.
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the reload") { daemon.status?.reloads == 1 }
      rmdir(state)
      try await scene.wait(for: "the state file", atMost: 5) { access(state, F_OK) == 0 }
      try await scene.wait(for: "the end of the report", atMost: 5) { daemon.status?.tokens.first?.notes == [] }
      try await scene.expectTakeover(from: daemon)
    }
  }

  @Test(
    "a state file that does not fit into a nearly full file system is written once there is room",
    .enabled(if: PrivateNames.areAvailable && geteuid() == 0, "needs a mount namespace of its own: run as root"))
  func stateWithoutRoom() async throws {
    // Its keys make the state file larger than a page. The token takes one.
    try await withScene {
      $0.algorithm = .rs256
      $0.keyBits = 2048
    } perform: { scene in
      for _ in 0..<8 { try await scene.sandbox.rotateKeys() }
      try scene.configure()
      let directory = scene.workplace.runtimeDirectory
      let daemon = try scene.startDaemon(
        environment: ["WATCHDOG_USEC": "2000000"],
        wrapper: [
          "unshare", "-m", "sh", "-c",
          #"mount -t tmpfs -o size=256k,mode=0750 tmpfs "$0" && exec "$@""#, directory,
        ])
      try await scene.ready()
      // Its directory as it sees it, also after its end.
      let namespace = open("/proc/\(daemon.process.pid)/ns/mnt", O_RDONLY | O_CLOEXEC)
      defer { close(namespace) }
      let seen = "/proc/\(daemon.process.pid)/root" + directory
      let state = seen + "/konexus.state"
      try #require((Workplace.read(state) ?? "").utf8.count > 4096)
      let (before, former) = (Workplace.read(seen + "/konexus.token"), Workplace.read(state))
      let filler = open(seen + "/filler", O_WRONLY | O_CREAT, 0o600)
      let page = [UInt8](repeating: 0, count: 4096)
      var size = 0
      while write(filler, page, page.count) == page.count { size += page.count }
      #expect(ftruncate(filler, size - page.count) == 0)
      close(filler)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "another token") { Workplace.read(seen + "/konexus.token") != before }
      try await scene.wait(for: "the report") { !daemon.log(with: "the state file was not written").isEmpty }
      #expect(Workplace.read(state) == former)
      unlink(seen + "/filler")
      try await scene.wait(for: "the state file", atMost: 5) { Workplace.read(state) != former }
      try await scene.expectTakeover(
        from: daemon, wrapper: ["nsenter", "--mount=/proc/\(getpid())/fd/\(namespace)", "--"])
    }
  }

  @Test(
    "a file that somebody deletes, cuts, or opens to others is put back at once",
    arguments: ["delete", "cut", "chmod", "replace"])
  func disturbed(how: String) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let file = scene.workplace.tokenFile()
      let token = try #require(scene.token())
      for round in 1...2 {
        switch how {
        case "delete": unlink(file)
        case "cut": truncate(file, 20)
        case "chmod": chmod(file, 0o666)
        default: try scene.workplace.write("not a token", to: file, mode: 0o644)
        }
        try await scene.wait(for: "the file as it was, round \(round)") {
          var status = stat()
          return lstat(file, &status) == 0 && status.st_mode == S_IFREG | 0o640 && scene.token() == token
        }
      }
      #expect(scene.sandbox.counts[.token] == 1, "no request is needed for it")
      try await scene.wait(for: "word of it") { !daemon.log(with: "It was restored").isEmpty }
    }
  }

  @Test("somebody who deletes it in a loop makes no storm")
  func deletedInALoop() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let start = Clock.monotonic
      while Clock.monotonic < start + 4 {
        unlink(scene.workplace.tokenFile())
        try await Task.sleep(for: .milliseconds(5))
      }
      let restored = daemon.log(with: "It was restored").count
      #expect(restored >= 1 && Double(restored) <= Clock.monotonic - start + 2, "\(restored) times")
      try await scene.wait(for: "the file") { scene.token() != nil }
    }
  }

  @Test(
    "a symbolic link or a directory in its place is not written to; once it is gone the token is back",
    arguments: [false, true])
  func blocked(byDirectory: Bool) async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "2000000"])
      try await scene.ready()
      let file = scene.workplace.tokenFile()
      let target = scene.workplace.path + "/target"
      try scene.workplace.write("precious", to: target)
      if byDirectory {
        // The daemon may be as quick to put its file back; over a directory it cannot be renamed.
        try await scene.wait(for: "the directory in place") {
          unlink(file)
          return mkdir(file, 0o755) == 0
        }
      } else {
        // Replace the file in one step. If it is missing for a moment, the daemon can notice that and rename its own
        // file over the link.
        let link = scene.workplace.path + "/link"
        #expect(symlink(target, link) == 0 && rename(link, file) == 0)
      }
      try await scene.wait(for: "the complaint") {
        daemon.status?.tokens.first?.publicationFailure?.contains(byDirectory ? "a directory" : "a symbolic link")
          ?? false
      }
      #expect(Workplace.read(target) == "precious")
      // Through the end of the token's life: what lies in the way is not the daemon's.
      try await scene.pass(6)
      #expect(Workplace.read(target) == "precious")
      if byDirectory { rmdir(file) } else { unlink(file) }
      try await scene.wait(for: "a good token") {
        scene.token().map { scene.sandbox.refusal(of: $0) == nil } ?? false
      }
      #expect(daemon.process.ending == nil)
    }
  }

  @Test("a directory that is removed and made again gets its token back")
  func directoryRemoved() async throws {
    try await withScene(lifetime: 8) { scene in
      // Not the runtime directory, which the daemon makes itself.
      let directory = scene.workplace.path + "/elsewhere"
      let file = directory + "/konexus.token"
      #expect(mkdir(directory, 0o750) == 0)
      try scene.configure(scene.table("konexus", ["file": "\"\(file)\""]))
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "2000000"])
      try await scene.ready()
      #expect(rename(directory, scene.workplace.path + "/old") == 0)
      try await scene.wait(for: "the complaint") {
        !daemon.log(with: "cannot open the directory").isEmpty
      }
      #expect(mkdir(directory, 0o750) == 0)
      try await scene.wait(for: "a good token") {
        Workplace.read(file).map { scene.sandbox.refusal(of: $0) == nil } ?? false
      }
      unlink(file)
      try await scene.wait(for: "the file again: the new directory is watched") { Workplace.read(file) != nil }
    }
  }

  @Test(
    "a full file system: the old token stays whole, and its successor comes once there is room",
    .enabled(if: PrivateNames.areAvailable && geteuid() == 0, "needs a mount namespace of its own: run as root"))
  func full() async throws {
    try await withScene(lifetime: 10) { scene in
      try scene.configure()
      let directory = scene.workplace.runtimeDirectory
      let daemon = try scene.startDaemon(
        wrapper: [
          "unshare", "-m", "sh", "-c",
          #"mount -t tmpfs -o size=96k,mode=0750 tmpfs "$0" && exec "$@""#, directory,
        ])
      try await scene.ready()
      // Its directory as it sees it.
      let seen = "/proc/\(daemon.process.pid)/root" + directory
      let before = try #require(Workplace.read(seen + "/konexus.token"))
      let filler = open(seen + "/filler", O_WRONLY | O_CREAT, 0o600)
      #expect(filler >= 0)
      let block = [UInt8](repeating: 0, count: 512)
      while write(filler, block, block.count) > 0 {}
      close(filler)
      try await scene.wait(for: "the complaint") {
        !daemon.log(with: "No space left on device").filter { $0.contains("konexus.token") || $0.contains("create") }
          .isEmpty
      }
      #expect(Workplace.read(seen + "/konexus.token") == before, "the old one is whole")
      unlink(seen + "/filler")
      try await scene.wait(for: "the successor") {
        Workplace.read(seen + "/konexus.token").map { $0 != before && scene.sandbox.refusal(of: $0) == nil } ?? false
      }
      try await scene.wait(for: "no temporary file left") {
        !(try Scene.files(in: seen)).contains { $0.contains(".tmp-") }
      }
    }
  }
}

extension Scene {
  /// Kills `daemon`. Its successor, which is returned, must take the token over without a request.
  @discardableResult
  fileprivate func expectTakeover(from daemon: DaemonProcess, wrapper: [String] = []) async throws -> DaemonProcess {
    let requests = sandbox.counts[.token]
    daemon.signal(SIGKILL)
    _ = try await ending(of: daemon)
    let successor = try startDaemon(wrapper: wrapper)
    try await wait(for: "the successor") { !successor.log(with: "ready:").isEmpty }
    #expect(sandbox.counts[.token] == requests, "\(successor.log)")
    return successor
  }
}
