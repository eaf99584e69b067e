import FoundationEssentials
import Glibc

/// A directory of one test's own, in memory as /run is, with a runtime directory in it.
struct Workplace: Sendable {
  let path: String

  init() throws {
    var template = Array("/dev/shm/konexus-daemon-tests.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw HarnessError("cannot make a directory in /dev/shm: \(String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard mkdir(runtimeDirectory, 0o750) == 0, chmod(runtimeDirectory, 0o750) == 0 else {
      throw HarnessError("cannot make \(runtimeDirectory): \(String(cString: strerror(errno)))")
    }
  }

  var runtimeDirectory: String { path + "/run" }
  var configFile: String { path + "/config.toml" }
  var caFile: String { path + "/ca.pem" }
  var metricsFile: String { path + "/konexus.prom" }
  var notifySocket: String { path + "/notify" }

  /// The file of a token that has none named in the configuration.
  func tokenFile(_ name: String = "konexus") -> String { "\(runtimeDirectory)/\(name).token" }

  /// Writes a file in one step, as an administrator's editor would.
  func write(_ text: String, to path: String, mode: mode_t = 0o600) throws {
    let temporary = "\(path).\(UInt64.random(in: .min ... .max))"
    try Data(text.utf8).write(to: URL(fileURLWithPath: temporary))
    guard chmod(temporary, mode) == 0, rename(temporary, path) == 0 else {
      throw HarnessError("cannot write \(path): \(String(cString: strerror(errno)))")
    }
  }

  /// A file's content as text; nil if there is no such file.
  static func read(_ path: String) -> String? {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else { return nil }
    return String(decoding: data, as: UTF8.self)
  }

  func remove() {
    try? FileManager.default.removeItem(atPath: path)
  }
}
