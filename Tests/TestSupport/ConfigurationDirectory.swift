import FoundationEssentials
package import Glibc

/// A directory of a test's own under /tmp, which is removed with the value.
package final class ConfigurationDirectory: Sendable {
  package let path: String

  package init() throws {
    var template = Array("/tmp/konexus-configuration.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure(call: "mkdtemp", code: errno) }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  package struct Failure: Error {
    let call: String
    let code: Int32
  }

  /// Writes a file and gives it `mode` and, as root, `owner`; returns its path.
  @discardableResult
  package func write(_ name: String, _ content: String, mode: mode_t = 0o600, owner: uid_t? = nil) throws -> String {
    try write(name, bytes: Array(content.utf8), mode: mode, owner: owner)
  }

  /// The same for content that is not UTF-8.
  @discardableResult
  package func write(_ name: String, bytes: [UInt8], mode: mode_t = 0o600, owner: uid_t? = nil) throws -> String {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Failure(call: "open", code: errno) }
    defer { close(descriptor) }
    var bytes = bytes[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { throw Failure(call: "write", code: errno) }
      bytes = bytes.dropFirst(count)
    }
    try check("fchmod", fchmod(descriptor, mode))
    if let owner { try check("fchown", fchown(descriptor, owner, gid_t(owner))) }
    return file
  }

  /// Makes a directory in it; returns its path.
  @discardableResult
  package func directory(_ name: String, mode: mode_t = 0o755, owner: uid_t? = nil) throws -> String {
    let directory = "\(path)/\(name)"
    try check("mkdir", mkdir(directory, 0o700))
    try check("chmod", chmod(directory, mode))
    if let owner { try check("chown", chown(directory, owner, gid_t(owner))) }
    return directory
  }

  /// Makes a symbolic link in it; returns its path.
  @discardableResult
  package func link(_ name: String, to target: String, owner: uid_t? = nil) throws -> String {
    let link = "\(path)/\(name)"
    try check("symlink", symlink(target, link))
    if let owner { try check("lchown", lchown(link, owner, gid_t(owner))) }
    return link
  }

  /// Makes a FIFO in it; returns its path.
  package func fifo(_ name: String) throws -> String {
    let fifo = "\(path)/\(name)"
    try check("mkfifo", mkfifo(fifo, 0o600))
    return fifo
  }

  private func check(_ call: String, _ result: Int32) throws {
    guard result == 0 else { throw Failure(call: call, code: errno) }
  }
}
