import Glibc

/// The kernel's data about this process.
enum ProcessState {
  /// The names of its threads.
  static var threadNames: [String] {
    entries("/proc/self/task").compactMap {
      read("/proc/self/task/\($0)/comm")?.split(separator: "\n").first.map(String.init)
    }
  }

  /// How many threads HTTP clients have.
  static var httpThreads: Int { threadNames.count { $0 == "http" } }

  /// The masks of blocked signals of the HTTP clients' threads.
  static var httpThreadSignalMasks: [UInt64] {
    entries("/proc/self/task").filter { read("/proc/self/task/\($0)/comm") == "http\n" }.compactMap { thread in
      read("/proc/self/task/\(thread)/status")?.split(separator: "\n").first { $0.hasPrefix("SigBlk:") }
        .flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" }, radix: 16) }
    }
  }

  /// How many file descriptors are open (the one that reads the list not counted).
  static var openDescriptors: Int { entries("/proc/self/fd").count - 1 }

  /// Waits until `condition` holds. A test's time limit is the only limit.
  static func wait(until condition: () -> Bool) async {
    while !condition() { try? await Task.sleep(for: .milliseconds(5)) }
  }

  private static func entries(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  private static func read(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 8192)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }
}
