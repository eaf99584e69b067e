import Glibc

/// The names of temporary files beside the file that they are to become: `.NAME.tmp-RANDOM`.
package enum TemporaryName {
  private static let mark = ".tmp-"

  /// A name that nobody can foresee: a file planted under it would have to be planted under all of them.
  static func make(for name: String) -> String {
    ".\(name)\(mark)\(String(UInt64.random(in: .min ... .max), radix: 36))"
  }

  /// Removes the temporary files of `names` that a run left in `directory` when it was killed.
  package static func sweep(_ directory: String, of names: Set<String>) {
    guard let stream = opendir(directory) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let found = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard found.first == ".", let marked = found.ranges(of: mark).last else { continue }
      if names.contains(String(found[..<marked.lowerBound].dropFirst())) { unlinkat(dirfd(stream), found, 0) }
    }
  }
}
