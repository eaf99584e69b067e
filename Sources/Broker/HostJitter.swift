import Cryptography
import Files

/// This host's jitter of the refresh times. It comes from the machine's id (machine-id(5)), so that it is the same
/// after a restart.
package enum HostJitter {
  /// From 0 to 1, evenly distributed over hosts and token names.
  package static func share(of token: String) -> Double {
    let digest = SHA256.digest(of: Array(machine.utf8) + Array(token.utf8))
    let number = digest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Double(number >> 11) / Double(1 << 53)
  }

  /// A machine without an id gets a random number, until the daemon ends.
  private static let machine: String = {
    for path in ["/etc/machine-id", "/var/lib/dbus/machine-id"] {
      if let id = try? PrivateFile.read(path, maximum: 4096, owned: false), id.count > 8 { return id.exposed }
    }
    return String(UInt64.random(in: .min ... .max))
  }()
}
