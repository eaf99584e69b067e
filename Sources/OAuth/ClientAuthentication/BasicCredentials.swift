import Base
import HTTP

/// The value of an `Authorization` field for HTTP Basic (RFC 7617), made in memory that is wiped.
enum BasicCredentials {
  /// - Parameter encoding: `raw` puts identifier and secret down as they are; otherwise both are form-encoded first, as RFC 6749, 2.3.1 says.
  static func authorization(clientID: String, secret: Secret, encoding: BasicEncoding) -> Secret {
    let parts: (Secret, Secret) =
      encoding == .raw
      ? (Secret(clientID), secret) : (FormEncoding.encoded(.text(clientID)), FormEncoding.encoded(.secret(secret)))
    let pair = Secret(capacity: parts.0.count + 1 + parts.1.count) { pair, _ in
      parts.0.withBytes { pair.copyBytes(from: $0) }
      pair[parts.0.count] = UInt8(ascii: ":")
      parts.1.withBytes { UnsafeMutableRawBufferPointer(rebasing: pair[(parts.0.count + 1)...]).copyBytes(from: $0) }
    }
    let scheme = Array("Basic ".utf8)
    return Secret(capacity: scheme.count + (pair.count + 2) / 3 * 4) { output, _ in
      output.copyBytes(from: scheme)
      pair.withBytes { encode($0, into: UnsafeMutableRawBufferPointer(rebasing: output[scheme.count...])) }
    }
  }

  /// Base64 (RFC 4648, 4).
  private static func encode(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
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
