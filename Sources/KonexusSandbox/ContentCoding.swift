internal import CZlib

/// The content coding of an answer, although the request asked for none (RFC 9110, section 8.4).
public enum ContentCoding: String, Sendable, Hashable, CaseIterable, Codable {
  case gzip
  /// gzip, under its old name.
  case xGzip = "x-gzip"
  /// deflate in the zlib format (RFC 1950).
  case deflate
  /// deflate without the zlib format, under the same name. Some servers send this.
  case rawDeflate = "raw-deflate"
  /// gzip, and gzip again.
  case gzipTwice = "gzip-twice"
  /// brotli (RFC 7932).
  case brotli = "br"

  /// The value of `Content-Encoding`.
  var field: String {
    switch self {
    case .rawDeflate: "deflate"
    case .gzipTwice: "gzip, gzip"
    default: rawValue
    }
  }

  /// The content in this coding.
  func encode(_ content: [UInt8]) -> [UInt8] {
    switch self {
    case .gzip, .xGzip: Self.deflate(content, windowBits: 31)
    case .deflate: Self.deflate(content, windowBits: 15)
    case .rawDeflate: Self.deflate(content, windowBits: -15)
    case .gzipTwice: Self.deflate(Self.deflate(content, windowBits: 31), windowBits: 31)
    case .brotli: Self.brotli(content)
    }
  }

  private static func deflate(_ content: [UInt8], windowBits: Int32) -> [UInt8] {
    // zlib rejects a stream whose address changes.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    defer { stream.deallocate() }
    stream.initialize(to: z_stream())
    guard czlib_deflate_init(stream, windowBits) == Z_OK else { return [] }
    defer { deflateEnd(stream) }
    var input = content
    return [UInt8](unsafeUninitializedCapacity: Int(deflateBound(stream, UInt(content.count)))) { output, count in
      input.withUnsafeMutableBufferPointer { input in
        stream.pointee.next_in = input.baseAddress
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(output.count)
        _ = CZlib.deflate(stream, Z_FINISH)
      }
      count = output.count - Int(stream.pointee.avail_out)
    }
  }

  /// Uncompressed meta-blocks (RFC 7932, section 9.2), and an empty last one.
  private static func brotli(_ content: [UInt8]) -> [UInt8] {
    var stream: [UInt8] = []
    for start in stride(from: 0, to: content.count, by: 1 << 16) {
      let block = content[start..<min(content.count, start + 1 << 16)]
      // ISLAST 0, MNIBBLES 4, MLEN - 1 in 16 bits, ISUNCOMPRESSED 1. Before the first one comes WBITS, one bit, which
      // is 0 for 16.
      let length = UInt32(block.count - 1)
      let header = start == 0 ? length << 4 | 1 << 20 : length << 3 | 1 << 19
      stream += (0..<3).map { UInt8(truncatingIfNeeded: header >> (8 * $0)) } + block
    }
    return stream + [content.isEmpty ? 0b110 : 0b11]
  }
}
