import Glibc
import Testing
@testable import Base
@testable import Settings
import TestSupport

/// Whose files are read, tested with real files, owners and modes.
@Suite struct ConfigurationFileTests {
  private static let isRoot = geteuid() == 0
  /// The user `nobody` on Debian. It need not exist.
  private static let stranger: uid_t = 65534

  private static let text = """
    [token.konexus]
    issuer = "https://auth.alertsense.com"
    client_id = "c"
    client_secret = "s3cr3t"

    """

  private static func load(_ path: String, _ environment: RuntimeEnvironment = RuntimeEnvironment()) -> String {
    do throws(ConfigurationErrors) {
      let configuration = try Configuration.load(path: path, environment: environment)
      return configuration.tokens.map(\.name).joined(separator: " ")
    } catch {
      return error.description
    }
  }

  @Test(arguments: [0o600, 0o400, 0o700] as [mode_t]) func ownFilesThatNobodyElseMayReadAreRead(_ mode: mode_t) throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("config.toml", Self.text, mode: mode)
    #expect(Self.load(path) == "konexus")
  }

  @Test(
    arguments: [
      (0o644, "0644", "readable"), (0o640, "0640", "readable"), (0o604, "0604", "readable"),
      (0o666, "0666", "readable"),
      (0o620, "0620", "writable"), (0o602, "0602", "writable"), (0o440, "0440", "readable"),
      (0o610, "0610", "writable"),
    ] as [(mode_t, String, String)])
  func filesOpenToOthersAreRefusedWithTheCommandThatHelps(_ mode: mode_t, _ shown: String, _ verb: String) throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("config.toml", Self.text, mode: mode)
    #expect(
      Self.load(path) == "\(path): error: is \(verb) by other users (mode \(shown)) -> chmod 0600 \(path)")
    try #require(chmod(path, 0o600) == 0)
    #expect(Self.load(path) == "konexus")
  }

  @Test func itsGroupMayReadAFileThatSaysSo() throws {
    let directory = try ConfigurationDirectory()
    let open = Self.text.replacing("client_secret =", with: "client_secret_file = \"secret\" #")
    for mode in [0o640, 0o440] as [mode_t] {
      try directory.write("secret", "s3cr3t", mode: mode)
      let path = try directory.write("config.toml", open + "[daemon]\nallow_group_read = true\n", mode: mode)
      #expect(Self.load(path) == "konexus")
      // The group can also read the files that this one names, at each request.
      let configuration = try Configuration.load(path: path, environment: RuntimeEnvironment())
      #expect(try configuration.tokens[0].request().credentials.secrets.map { $0?.exposed } == ["s3cr3t"])
      // Other users can access the file, or the group can write it.
      let wider: [mode_t] = [0o644, 0o660, 0o604, 0o650]
      for mode in wider {
        try #require(chmod(path, mode) == 0)
        #expect(Self.load(path).contains("-> chmod 0600 \(path)"), "\(mode)")
      }
      try #require(chmod(path, mode) == 0)
      try directory.write("secret", "s3cr3t", mode: 0o644)
      #expect(Self.load(path).contains("is readable by other users (mode 0644)"))
    }
    let path = try directory.write("not.toml", Self.text + "[daemon]\nallow_group_read = false\n", mode: 0o640)
    #expect(Self.load(path) == "\(path): error: is readable by other users (mode 0640) -> chmod 0600 \(path)")
  }

  @Test(.enabled(if: isRoot, "needs root to give files away")) func filesOfOthersAreRefused() throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("config.toml", Self.text, owner: Self.stranger)
    #expect(Self.load(path) == "\(path): error: belongs to another user (uid 65534) -> chown root \(path)")
    // The daemon's user and root are trusted owners.
    let service = RuntimeEnvironment(userID: Self.stranger)
    #expect(Self.load(path, service) == "konexus")
    #expect(Self.load(try directory.write("roots.toml", Self.text, owner: 0), service) == "konexus")
    let others = try directory.write("others.toml", Self.text, owner: 4242)
    #expect(
      Self.load(others, service) == "\(others): error: belongs to another user (uid 4242) -> chown 65534 \(others)")
  }

  @Test func anAwkwardPathIsQuotedForTheShell() throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("it's a \u{1b} file.toml", Self.text, mode: 0o644)
    let start = path.dropLast("it's a \u{1b} file.toml".count)
    #expect(
      Self.load(path)
        == "\(start)it's a \\u{1b} file.toml: error: is readable by other users (mode 0644) "
        + "-> chmod 0600 $'\(start)it\\'s a \\x1b file.toml'")
  }

  @Test func whatIsNoFileIsRefusedAndNothingHangs() throws {
    let directory = try ConfigurationDirectory()
    let fifo = try directory.fifo("fifo")
    #expect(Self.load(fifo) == "\(fifo): error: is no regular file -> name a file")
    #expect(Self.load("/dev/zero") == "/dev/zero: error: is no regular file -> name a file")
    #expect(Self.load(directory.path) == "\(directory.path): error: is a directory -> name a file")
    #expect(Self.load("") == ": error: is no path -> name a file")
    let missing = "\(directory.path)/missing.toml"
    #expect(Self.load(missing) == "\(missing): error: does not exist -> create it, or correct the path")
    let below = "\(try directory.write("file", "x"))/config.toml"
    #expect(
      Self.load(below)
        == "\(below): error: leads through a file that is no directory -> correct the path: namei -l \(below)")
  }

  @Test func aFileBeyondAnyMeasureIsRefused() throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("config.toml", "")
    try #require(truncate(path, 1 << 40) == 0)
    #expect(Self.load(path) == "\(path): error: is larger than 16384 KiB -> name the right file")
  }

  // MARK: systemd's credentials

  @Test func aCredentialMayHaveTheModeThatSystemdGivesIt() throws {
    let directory = try ConfigurationDirectory()
    let credentials = try directory.directory("credentials", mode: 0o500)
    try #require(chmod(credentials, 0o700) == 0)
    let path = try directory.write("credentials/config.toml", Self.text, mode: 0o440)
    let environment = RuntimeEnvironment(credentialsDirectory: credentials)
    #expect(Self.load(path, environment) == "konexus")
    #expect(environment.defaultConfigurationPath == path)
    // Other directories, or more access, are rejected.
    #expect(Self.load(path).hasSuffix("-> chmod 0600 \(path)"))
    for mode in [0o460, 0o444, 0o442] as [mode_t] {
      try #require(chmod(path, mode) == 0)
      #expect(Self.load(path, environment).contains("by other users (mode \(FileMode.octal(mode)))"))
    }
    let deeper = try directory.directory("credentials/deeper")
    try directory.write("credentials/deeper/config.toml", Self.text, mode: 0o440)
    #expect(Self.load("\(deeper)/config.toml", environment).hasSuffix("-> chmod 0600 \(deeper)/config.toml"))
  }

  @Test func withoutACredentialTheDefaultIsInEtc() throws {
    let directory = try ConfigurationDirectory()
    #expect(
      RuntimeEnvironment(credentialsDirectory: directory.path).defaultConfigurationPath
        == "/etc/konexus-tokend/config.toml")
    #expect(RuntimeEnvironment().defaultConfigurationPath == "/etc/konexus-tokend/config.toml")
  }

  @Test func aRelativeSecretFileLiesBesideTheConfiguration() throws {
    let directory = try ConfigurationDirectory()
    try directory.write("secret", "from the file\n")
    let path = try directory.write(
      "config.toml",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret_file = "secret"
      """)
    let configuration = try Configuration.load(path: path)
    #expect(configuration.tokens.first?.secrets == [.file("\(directory.path)/secret")])
    #expect(try configuration.tokens.first?.secrets.first?.read() == Secret("from the file"))
  }

  // MARK: Symbolic links

  @Test func linksInOwnHandsAreFollowed() throws {
    let directory = try ConfigurationDirectory()
    // The layout of a secret that kubelet mounts.
    try directory.directory("..2026_11_24")
    try directory.write("..2026_11_24/config.toml", Self.text)
    try directory.link("..data", to: "..2026_11_24")
    let path = try directory.link("config.toml", to: "..data/config.toml")
    #expect(Self.load(path) == "konexus")
    #expect(Self.load(try directory.link("absolute.toml", to: path)) == "konexus")
    #expect(Self.load(try directory.link("up.toml", to: "..data/../..data/./config.toml")) == "konexus")
  }

  @Test func aLoopOfLinksEnds() throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.link("a", to: "b")
    try directory.link("b", to: "a")
    #expect(
      Self.load(path)
        == "\(path): error: is reached through too many symbolic links, or a link that changed meanwhile "
        + "-> correct the path: namei -l \(path)"
    )
  }

  @Test(.enabled(if: isRoot, "needs root to give links away")) func linksOfOthersAreNotFollowed() throws {
    let directory = try ConfigurationDirectory()
    let target = try directory.write("real.toml", Self.text)
    let path = try directory.link("config.toml", to: target, owner: Self.stranger)
    #expect(
      Self.load(path)
        == "\(path): error: is reached through the symbolic link '\(path)' of another user (uid 65534) "
        + "-> name the file itself"
    )
  }

  @Test(arguments: [0o777, 0o775] as [mode_t]) func linksAreNotFollowedWhereOthersMayChangeThem(_ mode: mode_t) throws {
    let directory = try ConfigurationDirectory()
    try directory.write("real.toml", Self.text)
    let open = try directory.directory("open", mode: mode)
    let path = try directory.link("open/config.toml", to: "../real.toml")
    #expect(
      Self.load(path)
        == "\(path): error: is reached through a symbolic link, and other users may change the directory '\(open)' on "
        + "the way -> "
        + "name the file itself, or protect it: chown root \(open) && chmod go-w \(open)")
    // Without a link, or with the sticky bit, users who can add files do no harm.
    try directory.write("open/plain.toml", Self.text)
    #expect(Self.load("\(open)/plain.toml") == "konexus")
    try #require(chmod(open, mode | S_ISVTX) == 0)
    #expect(Self.load(path) == "konexus")
  }

  @Test func aLinkIntoADirectoryThatOthersMayChangeIsNotFollowed() throws {
    let directory = try ConfigurationDirectory()
    let open = try directory.directory("open", mode: 0o777)
    try directory.write("open/config.toml", Self.text)
    let path = try directory.link("config.toml", to: "open/config.toml")
    #expect(Self.load(path).contains("other users may change the directory '\(open)' on the way"))
  }

  /// The file alternates between a protected one and one that others can read. Only the protected one is read.
  @Test(arguments: [false, true]) func aFileSwappedDuringTheReadCannotGetThrough(byLink: Bool) async throws {
    let directory = try ConfigurationDirectory()
    let path = directory.path + "/config.toml"
    let planted = Self.text.replacing("konexus", with: "planted")
    try directory.write("good", Self.text)
    try directory.write("bad", planted, mode: 0o666)
    let swap: @Sendable (Bool) throws -> Void = { isGood in
      if byLink {
        symlink("\(directory.path)/\(isGood ? "good" : "bad")", "\(directory.path)/next")
      } else {
        try directory.write("next", isGood ? Self.text : planted, mode: isGood ? 0o600 : 0o666)
      }
      rename("\(directory.path)/next", path)
    }
    try swap(true)
    let swapper = Task.detached {
      var isGood = false
      while !Task.isCancelled {
        try swap(isGood)
        isGood.toggle()
      }
    }
    for _ in 0..<200 {
      let outcome = Self.load(path)
      #expect(outcome == "konexus" || outcome.contains("-> chmod 0600"), "\(outcome)")
    }
    swapper.cancel()
    _ = await swapper.result
  }
}
