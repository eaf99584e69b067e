import FoundationEssentials
import Glibc
import TestSupport
import Testing
@testable import Files

/// Files that decide which servers are trusted: whose they may be, and how they may lie.
@Suite(.enabled(if: geteuid() == 0, "needs root to give files away")) struct TrustedFileTests {
  private let directory = Directory()
  private let rules = FileRules(userID: 4242)
  private static let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

  /// A directory that goes with the test.
  private final class Directory {
    let path = "/tmp/konexus-trusted.\(getpid()).\(UInt64.random(in: .min ... .max))"
    init() { mkdir(path, 0o755) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  @discardableResult
  private func write(
    _ name: String, _ content: String = certificate, owner: uid_t = 0, mode: mode_t = 0o644
  ) throws -> String {
    let path = "\(directory.path)/\(name)"
    try Data(content.utf8).write(to: URL(fileURLWithPath: path))
    try #require(chown(path, owner, owner) == 0 && chmod(path, mode) == 0)
    return path
  }

  private func refusal(_ path: String) -> String {
    do throws(FileRefusal) {
      try PEMFile.readAuthorities(path, rules: rules)
      return ""
    } catch {
      return error.description
    }
  }

  @Test(arguments: [0, 4242] as [uid_t], [0o644, 0o444, 0o440, 0o600, 0o755] as [mode_t])
  func filesOfRootAndOfTheDaemonAreBelieved(_ owner: uid_t, _ mode: mode_t) throws {
    #expect(refusal(try write("ca.pem", owner: owner, mode: mode)) == "")
  }

  @Test func filesOfOthersAreNot() throws {
    let path = try write("ca.pem", owner: 1234)
    #expect(refusal(path) == "'\(path)' belongs to another user (uid 1234) -> chown root \(path)")
    // What root alone could read would be of no use to the daemon.
    try write("ca.pem", owner: 1234, mode: 0o600)
    #expect(refusal(path) == "'\(path)' belongs to another user (uid 1234) -> chown 4242 \(path)")
  }

  @Test(arguments: [(0o664, "0664"), (0o646, "0646"), (0o620, "0620"), (0o666, "0666")] as [(mode_t, String)])
  func filesThatOthersMayChangeAreNot(_ mode: mode_t, _ shown: String) throws {
    let path = try write("ca.pem", mode: mode)
    #expect(refusal(path) == "'\(path)' is writable by other users (mode \(shown)) -> chmod go-w \(path)")
  }

  @Test func aLinkOfAnotherUserIsNotFollowed() throws {
    let target = try write("ca.pem")
    let link = directory.path + "/link.pem"
    try #require(symlink(target, link) == 0 && lchown(link, 1234, 1234) == 0)
    #expect(refusal(link).contains("is reached through the symbolic link '\(link)' of another user (uid 1234)"))
    // Nor one of root's in a directory where another user may put it.
    let open = directory.path + "/open"
    try #require(mkdir(open, 0o755) == 0 && chown(open, 1234, 1234) == 0 && symlink(target, open + "/link.pem") == 0)
    #expect(refusal(open + "/link.pem").contains("other users may change the directory '\(open)'"))
  }

  @Test(arguments: [0o644, 0o444, 0o440] as [mode_t])
  func aSecretOfKubernetesIsBelieved(_ mode: mode_t) throws {
    // As kubelet lays out a volume with fsGroup: root's, the group's to read, links to a directory that is replaced
    // as a whole.
    let volume = directory.path + "/volume"
    let data = volume + "/..2026_11_26"
    for path in [volume, data] { try #require(mkdir(path, 0o755) == 0 && chown(path, 0, 2000) == 0) }
    try #require(chmod(volume, 0o3777) == 0 && chmod(data, 0o2755) == 0)
    try write("volume/..2026_11_26/ca.crt", mode: mode)
    try #require(
      symlink("..2026_11_26", volume + "/..data") == 0 && symlink("..data/ca.crt", volume + "/ca.crt") == 0)
    #expect(refusal(volume + "/ca.crt") == "")
  }

  @Test(.enabled(if: access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0, "needs ca-certificates"))
  func whatTheSystemTrustsIsBelieved() throws {
    #expect(refusal("/etc/ssl/certs/ca-certificates.crt") == "")
    let names = try FileManager.default.contentsOfDirectory(atPath: "/etc/ssl/certs").filter { $0.hasSuffix(".pem") }
    for name in names { #expect(refusal("/etc/ssl/certs/" + name) == "") }
  }

  /// The file is swapped all the time between root's and another user's: what is read is always root's.
  @Test(arguments: [false, true]) func aFileSwappedDuringTheReadCannotGetThrough(byLink: Bool) throws {
    let own = try write("own.pem")
    let others = try write("others.pem", Self.certificate + "planted", owner: 1234)
    let path = directory.path + "/ca.pem"
    let swap: @Sendable (Bool) throws -> Void = { isOwn in
      let next = path + ".next"
      let result = byLink ? symlink(isOwn ? own : others, next) : link(isOwn ? own : others, next)
      guard result == 0, rename(next, path) == 0 else { throw RawServerFailure(code: errno) }
      // A link onto its own file is left in place by rename(2).
      unlink(next)
    }
    try swap(true)
    // A thread of its own: the tests that run beside this one may hold all of the pool's.
    let (isOver, hasEnded) = (Flag(), Flag())
    try RawServer.onThread {
      var isOwn = false
      while !isOver.isSet {
        do { try swap(isOwn) } catch { Issue.record(error) }
        isOwn.toggle()
      }
      hasEnded.set()
    }
    var (good, refused) = (0, 0)
    for _ in 0..<200_000 where good < 100 || refused < 100 {
      do throws(FileRefusal) {
        let content = try PEMFile.readAuthorities(path, rules: rules)
        #expect(content.exposed == Self.certificate)
        good += 1
      } catch {
        #expect(error.problem.contains("uid 1234") || error.problem.contains("link"), "\(error)")
        refused += 1
      }
    }
    #expect(good >= 100 && refused >= 100, "\(good) read, \(refused) refused")
    isOver.set()
    while !hasEnded.isSet { usleep(1000) }
  }
}
