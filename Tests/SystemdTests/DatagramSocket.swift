import Glibc
import Testing

/// A datagram socket that takes the service manager's or the journal's place. It lives as long as the process of the
/// test.
struct DatagramSocket {
  let descriptor: Int32

  /// Binds to `address`: a path, or with `@` in front an abstract name.
  init(_ address: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(address.utf8)
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    try #require(bytes.count < MemoryLayout.size(ofValue: name.sun_path))
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let bound = withUnsafePointer(to: name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    try #require(bound == 0, "bind: \(String(cString: strerror(errno)))")
  }

  /// The next datagram; `nil` if none has come.
  func receive() -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    return count < 0 ? nil : Array(buffer.prefix(count))
  }

  /// The next datagram as lines.
  func receiveLines() -> [String]? {
    receive().map {
      String(decoding: $0, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
  }
}

/// A new directory of this process below /tmp.
func temporaryDirectory() throws -> String {
  var template = Array("/tmp/systemd-tests.XXXXXX".utf8CString)
  _ = try #require(mkdtemp(&template))
  return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
