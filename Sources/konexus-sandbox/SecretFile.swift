import ArgumentParser
import Glibc

/// The file that holds the client secret.
enum SecretFile {
  /// The secret in the file, which is made if it does not exist. Without a path, the secret is random, and only the
  /// control endpoint shows it.
  /// - Throws: `ValidationError` if the file cannot be read or made, or if it is empty.
  static func secret(at path: String?) throws -> String {
    guard let path else { return random() }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor >= 0 {
      defer { close(descriptor) }
      return try read(descriptor, path: path)
    }
    guard errno == ENOENT else { throw failure("read", path) }
    let secret = random()
    let created = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard created >= 0 else { throw failure("create", path) }
    defer { close(created) }
    guard write(created, secret, secret.utf8.count) == secret.utf8.count else { throw failure("write", path) }
    return secret
  }

  private static func read(_ descriptor: CInt, path: String) throws -> String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { throw failure("read", path) }
    let secret = String(decoding: bytes[..<count], as: UTF8.self).filter { !$0.isNewline }
    guard !secret.isEmpty else { throw ValidationError("\(path) is empty; write a secret into it, or remove it") }
    return secret
  }

  private static func failure(_ verb: String, _ path: String) -> ValidationError {
    ValidationError("cannot \(verb) \(path): \(String(cString: strerror(errno)))")
  }

  private static func random() -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    var generator = SystemRandomNumberGenerator()
    return String((0..<43).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] })
  }
}
