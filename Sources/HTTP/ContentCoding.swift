internal import CZlib

/// The content coding of a response (RFC 9110, 8.4).
///
/// Requests ask for `identity`. Some servers and proxies encode their content nevertheless. gzip and deflate are
/// decoded here, after the transfer. libcurl would also decode brotli and zstd, whose windows need up to 128 MiB. It
/// rejects every unknown name.
struct ContentCoding {
  /// The value of the `Content-Encoding` fields without `identity`; nil if nothing remains.
  let name: String?

  init(_ headers: HTTPHeaders) {
    let codings = headers.values(for: "Content-Encoding").flatMap { $0.split(separator: ",") }
      .map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty && $0.lowercased() != "identity" }
    name = codings.isEmpty ? nil : codings.joined(separator: ", ")
  }

  /// The result of decoding.
  enum Result: Equatable {
    /// The decoded content.
    case content([UInt8])
    /// The content decodes to more bytes than the limit.
    case oversized
    /// The coding is unknown, or the content does not have it.
    case unreadable
  }

  /// Decodes `content` to at most `limit` bytes.
  func decode(_ content: [UInt8], limit: Int) -> Result {
    switch name?.lowercased() {
    case nil: return .content(content)
    // RFC 9110, 8.4.1.3: x-gzip is equivalent.
    case "gzip", "x-gzip": return Self.inflate(content, .gzip, limit: limit)
    case "deflate":
      let decoded = Self.inflate(content, .zlib, limit: limit)
      // RFC 9110, 8.4.1.2: some implementations omit the zlib format.
      return decoded == .unreadable ? Self.inflate(content, .raw, limit: limit) : decoded
    default: return .unreadable
    }
  }

  /// The formats of compressed data, as windowBits of zlib.
  private enum Format: Int32 {
    /// RFC 1952.
    case gzip = 31
    /// RFC 1950.
    case zlib = 15
    /// RFC 1951.
    case raw = -15
  }

  /// Decompresses the whole content into one allocation, so that no copies of a token remain in memory.
  private static func inflate(_ content: [UInt8], _ format: Format, limit: Int) -> Result {
    // zlib rejects a stream whose address changes.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    defer { stream.deallocate() }
    stream.initialize(to: z_stream())
    guard content.count <= Int(UInt32.max), limit < Int(UInt32.max),
      czlib_inflate_init(stream, format.rawValue) == Z_OK
    else { return .unreadable }
    defer { inflateEnd(stream) }
    var input = content
    var end = Z_OK
    // One byte more than the limit shows that there is more.
    let output = [UInt8](unsafeUninitializedCapacity: limit + 1) { output, count in
      input.withUnsafeMutableBufferPointer { input in
        stream.pointee.next_in = input.baseAddress
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(output.count)
        repeat {
          end = CZlib.inflate(stream, Z_FINISH)
          // RFC 1952, 2.2: a gzip file is a series of members.
        } while end == Z_STREAM_END && format == .gzip && stream.pointee.avail_in > 0 && inflateReset(stream) == Z_OK
      }
      count = output.count - Int(stream.pointee.avail_out)
    }
    if output.count > limit { return .oversized }
    return end == Z_STREAM_END && stream.pointee.avail_in == 0 ? .content(output) : .unreadable
  }
}

extension HTTPResponse {
  /// This response with decoded content. `undecodedCoding` is set if the content stays as it is.
  ///
  /// - Throws: `bodyTooLarge` if the content decodes to more than `limit` bytes.
  func decoded(limit: Int, from endpoint: Endpoint) throws(HTTPFailure) -> HTTPResponse {
    let coding = ContentCoding(headers)
    guard !body.isEmpty, let name = coding.name else { return self }
    var response = self
    switch coding.decode(body, limit: limit) {
    case .content(let content): response.body = content
    case .oversized: throw .bodyTooLarge(limit, at: endpoint)
    case .unreadable: response.undecodedCoding = name
    }
    return response
  }
}
