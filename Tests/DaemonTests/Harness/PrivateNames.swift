import FoundationEssentials
import Glibc
import KonexusSandbox

/// Host names that only one daemon sees.
///
/// Its mount namespace has its own /etc/hosts, and names a name server that does not exist.
/// So a name can be unknown, or change to another server, without any effect on the machine's resolver.
struct PrivateNames: Sendable {
  /// The name that sandboxes with private names go by.
  static let host = "konexus.test"

  private let hosts: String
  /// Put before the daemon's command.
  let wrapper: [String]

  init(in workplace: Workplace) throws {
    hosts = workplace.path + "/hosts"
    let resolver = workplace.path + "/resolv.conf"
    try Data("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n".utf8).write(to: URL(fileURLWithPath: resolver))
    wrapper =
      Self.unshare + [
        "sh", "-c",
        #"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#, hosts, resolver,
      ]
    try lead(to: nil)
  }

  /// Lets the name lead to an address, or nowhere. The file is written in place: a bind mount holds on to it.
  func lead(to address: String?) throws {
    let line = address.map { "\($0) \(Self.host)\n" } ?? ""
    try Data("127.0.0.1 localhost\n\(line)".utf8).write(to: URL(fileURLWithPath: hosts))
  }

  private static let unshare = ["unshare", geteuid() == 0 ? "-m" : "-rm"]

  /// Whether this machine grants mount namespaces, and has the files that would be covered.
  static let areAvailable: Bool = {
    guard access("/etc/hosts", F_OK) == 0, access("/etc/resolv.conf", F_OK) == 0,
      let trial = try? ChildProcess(
        unshare + ["sh", "-c", "mount --bind /etc/hosts /etc/resolv.conf"],
        environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"], errors: "/dev/null")
    else { return false }
    return trial.wait() == .exited(0)
  }()
}
