import Glibc
import KonexusSandbox
import Testing

/// Configurations with which the daemon cannot start: it exits with 78 (EX_CONFIG) and a helpful message.
///
/// The unit does not restart after that exit code.
@Suite("Misconfiguration", .inTurn)
struct MisconfigurationTests {
  /// One kind of it, made on a stage that would do otherwise.
  struct Kind: Sendable, CustomTestStringConvertible {
    var name: String
    /// What the error must say.
    var words: [String]
    var make: @Sendable (Scene) throws -> Void
    var testDescription: String { name }
  }

  static let kinds = [
    Kind(name: "no config file", words: ["config.toml"]) { _ in },
    Kind(name: "config readable by others", words: ["config.toml", "chmod"]) {
      try $0.workplace.write($0.table(), to: $0.workplace.configFile, mode: 0o644)
    },
    Kind(name: "config is a symlink into somebody's directory", words: ["config.toml"]) {
      let place = $0.workplace
      try place.write($0.table(), to: place.path + "/real.toml", mode: 0o666)
      #expect(symlink(place.path + "/real.toml", place.configFile) == 0)
    },
    Kind(name: "config is a directory", words: ["config.toml"]) {
      #expect(mkdir($0.workplace.configFile, 0o700) == 0)
    },
    Kind(name: "not TOML", words: ["config.toml:1"]) { try $0.configure("token konexus {") },
    Kind(name: "no table", words: ["[token.NAME]"]) { try $0.configure("[daemon]\n") },
    Kind(name: "unknown key, with the nearest one", words: ["clientid", "client_id"]) {
      try $0.configure($0.table("konexus", ["clientid": "\"x\""]))
    },
    Kind(name: "wrong type", words: ["refresh_at"]) {
      try $0.configure($0.table("konexus", ["refresh_at": "\"half\""]))
    },
    Kind(name: "mode as a number", words: ["mode"]) { try $0.configure($0.table("konexus", ["mode": "640"])) },
    Kind(name: "no issuer", words: ["issuer"]) { try $0.configure($0.table("konexus", ["issuer": ""])) },
    Kind(name: "issuer without TLS", words: ["issuer", "https"]) {
      try $0.configure($0.table("konexus", ["issuer": "\"http://auth.example\""]))
    },
    Kind(name: "no secret", words: ["client_secret_file"]) {
      try $0.configure($0.table("konexus", ["client_secret": ""]))
    },
    Kind(name: "secret file missing", words: ["client_secret_file", "no-such-file"]) {
      try $0.configure(
        $0.table("konexus", ["client_secret": "", "client_secret_file": "\"\($0.workplace.path)/no-such-file\""]))
    },
    Kind(name: "secret file readable by others", words: ["client_secret_file", "chmod"]) {
      let path = $0.workplace.path + "/secret"
      try $0.workplace.write("x", to: path, mode: 0o644)
      try $0.configure($0.table("konexus", ["client_secret": "", "client_secret_file": "\"\(path)\""]))
    },
    Kind(name: "ca_file without a certificate", words: ["ca_file"]) {
      let path = $0.workplace.path + "/empty.pem"
      try $0.workplace.write("nothing", to: path)
      try $0.configure($0.table("konexus", ["ca_file": "\"\(path)\""]))
    },
    Kind(name: "ca_file that its group may change", words: ["ca_file", "mode 0664", "chmod go-w"]) {
      try $0.configure()
      #expect(chmod($0.workplace.caFile, 0o664) == 0)
    },
    Kind(name: "directory missing", words: ["nowhere", "install -d"]) {
      try $0.configure($0.table("konexus", ["file": "\"\($0.workplace.path)/nowhere/token\""]))
    },
    Kind(name: "directory writable by others", words: ["run", "chmod go-w"]) {
      try $0.configure()
      #expect(chmod($0.workplace.runtimeDirectory, 0o777) == 0)
    },
    Kind(name: "directory not in memory", words: ["tmpfs", "allow_persistent_storage"]) {
      var template = Array("/var/tmp/konexus-daemon-tests.XXXXXX".utf8CString)
      #expect(mkdtemp(&template) != nil)
      let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      // Goes with the stage.
      #expect(symlink(path, $0.workplace.path + "/elsewhere") == 0)
      try $0.configure($0.table("konexus", ["file": "\"\(path)/token\""]))
    },
    Kind(name: "the token's file is a symlink", words: ["symbolic link"]) {
      try $0.configure()
      #expect(symlink("/etc/passwd", $0.workplace.tokenFile()) == 0)
    },
    Kind(name: "the token's file is a directory", words: ["konexus.token", "is a directory"]) {
      try $0.configure()
      #expect(mkdir($0.workplace.tokenFile(), 0o700) == 0)
    },
  ]

  @Test("ends with 78 and says what to do", arguments: kinds)
  func exits78(kind: Kind) async throws {
    try await withScene { scene in
      try kind.make(scene)
      let daemon = try scene.startDaemon()
      #expect(try await scene.ending(of: daemon) == .exited(78), "\(daemon.log)")
      for word in kind.words { #expect(daemon.log.contains(word), "\(daemon.log)") }
      #expect(scene.sandbox.counts.connections == 0, "nothing is asked with a broken configuration")
      #expect(scene.notify.readyAt == nil)
      var target = [UInt8](repeating: 0, count: 4096)
      let count = readlink(scene.workplace.path + "/elsewhere", &target, target.count)
      if count > 0 { rmdir(String(decoding: target[..<count], as: UTF8.self)) }
    }
  }

  @Test("all that is wrong is told at once")
  func allAtOnce() async throws {
    try await withScene { scene in
      try scene.configure(
        scene.table("one", ["mode": "640", "scop": "\"x\""]), scene.table("two", ["issuer": "\"http://x.example\""]))
      let daemon = try scene.startDaemon()
      #expect(try await scene.ending(of: daemon) == .exited(78))
      for word in ["mode", "scop", "http://x.example"] { #expect(daemon.log.contains(word), "\(daemon.log)") }
    }
  }
}
