import Base
import Files
import Glibc
import Synchronization

/// CA certificates in memory, under names that libcurl opens.
///
/// libcurl takes the contents themselves only since 7.77 (`CURLOPT_CAINFO_BLOB`).
final class AuthoritiesFile: Sendable {
  /// The certificates as PEM.
  let contents: Secret
  private let descriptor: Int32
  private let number: Int

  private static let lastNumber = Atomic(0)

  fileprivate init(_ contents: Secret) throws(HTTPFailure) {
    self.contents = contents
    number = Self.lastNumber.add(1, ordering: .relaxed).newValue
    let file = SealedFile.make("ca-certificates") { file in
      try contents.withBytes { try FileContent.write($0, to: file) }
    }
    guard let file else {
      throw HTTPFailure(
        reason: .tls(.caFileUnreadable), message: "the ca_file cannot be kept in memory: \(SystemError.text(errno))")
    }
    descriptor = file
  }

  deinit { close(descriptor) }

  /// The value of CURLOPT_CAINFO: the sealed file in memory.
  var file: String { "/proc/self/fd/\(descriptor)" }

  /// The value of CURLOPT_CAPATH: a directory that cannot exist.
  ///
  /// libcurl uses a connection again if both names are the same. The kernel uses the number of a closed descriptor
  /// again, for other contents. This number is never used again.
  var directory: String { "/dev/null/\(number)" }
}

/// The CA certificates of a client's connections. The same contents keep the same names, so that requests share
/// connections.
final class AuthoritiesFiles: Sendable {
  private let kept = Mutex<[AuthoritiesFile]>([])

  /// More than any host has. Further contents only need new connections.
  private static let limit = 16

  /// The file with these contents.
  ///
  /// - Throws: `HTTPFailure` with `caFileUnreadable` if the kernel refuses a file in memory.
  func file(of contents: Secret) throws(HTTPFailure) -> AuthoritiesFile {
    if let file = kept.withLock({ $0.first { $0.contents == contents } }) { return file }
    let file = try AuthoritiesFile(contents)
    kept.withLock { kept in
      if kept.count >= Self.limit { kept.removeFirst() }
      kept.append(file)
    }
    return file
  }

  /// Closes the files that no request uses.
  func removeAll() { kept.withLock { $0 = [] } }
}
