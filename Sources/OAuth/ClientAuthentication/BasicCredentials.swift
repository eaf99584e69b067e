import Base
import Glibc
import HTTP

/// The value of an `Authorization` field for HTTP Basic (RFC 7617), made in memory that is wiped.
enum BasicCredentials {
  /// - Parameter encoding: `raw` puts identifier and secret down as they are; otherwise both are form-encoded first, as RFC 6749, 2.3.1 says.
  static func authorization(clientID: String, secret: Secret, encoding: BasicEncoding) -> Secret {
    let parts: (Secret, Secret) =
      encoding == .raw
      ? (Secret(clientID), secret) : (FormEncoding.encoded(.text(clientID)), FormEncoding.encoded(.secret(secret)))
    let length = parts.0.count + 1 + parts.1.count
    let scheme = Array("Basic ".utf8)
    return wiping(length) { pair in
      parts.0.withBytes { pair.copyBytes(from: $0) }
      pair[parts.0.count] = UInt8(ascii: ":")
      parts.1.withBytes { UnsafeMutableRawBufferPointer(rebasing: pair[(parts.0.count + 1)...]).copyBytes(from: $0) }
      return wiping(scheme.count + (length + 2) / 3 * 4) { output in
        output.copyBytes(from: scheme)
        encode(pair, into: UnsafeMutableRawBufferPointer(rebasing: output[scheme.count...]))
        return Secret(UnsafeRawBufferPointer(output))
      }
    }
  }

  private static func wiping(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Secret) -> Secret {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer {
      if let base = buffer.baseAddress { explicit_bzero(base, count) }
      buffer.deallocate()
    }
    return body(buffer)
  }

  /// Base64 (RFC 4648, 4).
  private static func encode(_ bytes: UnsafeMutableRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for place in 0..<4 {
        let index = Int(bits >> UInt32(18 - 6 * place) & 63)
        output[start / 3 * 4 + place] = place <= group.count ? alphabet[index] : UInt8(ascii: "=")
      }
    }
  }
}
