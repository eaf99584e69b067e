import Glibc

/// The contents of the files that `TransportSettings` names, read for one request.
///
/// libcurl gets contents instead of names: it then tells connections apart by them, so that a connection made under an older
/// `caFile` is not used again; and a missing file is told from a bad one.
struct TransportFiles: Sendable {
  let authorities: Secret?
  let certificate: Secret?
  let key: Secret?

  /// No files: the system's authorities, and no client certificate.
  static let none = TransportFiles(authorities: nil, certificate: nil, key: nil)

  private init(authorities: Secret?, certificate: Secret?, key: Secret?) {
    self.authorities = authorities
    self.certificate = certificate
    self.key = key
  }

  init(_ settings: TransportSettings) throws(HTTPFailure) {
    authorities = try Self.read(settings.caFile, as: "ca_file", otherwise: .caFileUnreadable)
    certificate = try Self.read(
      settings.clientCertificateFile, as: "client certificate", otherwise: .clientCertificateUnusable)
    key = try Self.read(settings.clientKeyFile, as: "client key", otherwise: .clientCertificateUnusable) ?? certificate
  }

  /// More than the certificates of all public authorities together.
  private static let maximumBytes = 4 << 20

  private static func read(
    _ path: String?, as role: String, otherwise fault: HTTPFailure.TLSFault
  ) throws(HTTPFailure) -> Secret? {
    guard let path else { return nil }
    func failure(_ why: String) -> HTTPFailure {
      HTTPFailure(reason: .tls(fault), message: "the \(role) \(path) cannot be used: \(why)")
    }
    FileCalls.note(path)
    // O_NONBLOCK: a FIFO in the file's place must not block.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(String(cString: strerror(errno))) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw failure("it is not a regular file") }
    guard status.st_size <= maximumBytes else { throw failure("it is larger than 4 MiB") }

    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(status.st_size) + 1, alignment: 1)
    defer {
      if let base = buffer.baseAddress { explicit_bzero(base, buffer.count) }
      buffer.deallocate()
    }
    var count = 0
    while count < buffer.count {
      let more = Glibc.read(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
      if more < 0 && errno == EINTR { continue }
      guard more >= 0 else { throw failure(String(cString: strerror(errno))) }
      if more == 0 { break }
      count += more
    }
    guard count < buffer.count else { throw failure("it grew while it was read") }
    guard count > 0 else { throw failure("it is empty") }
    return Secret(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
  }
}
