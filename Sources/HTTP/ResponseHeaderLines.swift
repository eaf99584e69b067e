/// The header fields of the final response, from the lines that libcurl passes one by one.
///
/// libcurl passes the lines of a proxy's response to CONNECT, of interim responses and of trailers in the same way.
/// Only libcurl 7.83 and newer can keep them apart (`curl_easy_nextheader`).
struct ResponseHeaderLines {
  /// The fields of the latest response.
  private(set) var fields: [HTTPHeader] = []
  /// Whether the empty line after the fields of the latest response was received.
  var isComplete: Bool { state == .complete || state == .final }

  private enum State {
    /// Before the first status line, among fields, after the empty line, and after that of the final response.
    case start, fields, complete, final
  }

  private var state = State.start

  /// Takes a line with its end.
  ///
  /// - Parameter endsFinalResponse: Whether the response is the final one. It is evaluated at the empty line.
  /// - Returns: `true` for a status line with three digits (RFC 9112, 4) and for a header line (RFC 9112, 5). A line
  ///   without a name or without a colon is no header line, nor is one with a zero byte.
  mutating func take(_ line: UnsafeRawBufferPointer, endsFinalResponse: @autoclosure () -> Bool) -> Bool {
    switch state {
    case .start, .complete:
      guard line.starts(with: "HTTP/".utf8) else { return true }
      fields = []
      state = .fields
      return Self.hasStatus(Self.trimmed(line[...], isLineEnd: true))
    case .fields:
      let content = Self.trimmed(line[...], isLineEnd: true)
      guard content.isEmpty else { return append(content) }
      state = endsFinalResponse() ? .final : .complete
    case .final: break  // a trailer
    }
    return true
  }

  private mutating func append(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
    guard let first = line.first, !line.contains(0) else { return false }
    if Self.isBlank(first) {
      // A folded line continues the field before it (RFC 9112, 5.2).
      guard let last = fields.indices.last else { return false }
      let more = Self.text(Self.trimmed(line))
      if !more.isEmpty { fields[last].value += fields[last].value.isEmpty ? more : " \(more)" }
      return true
    }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { return false }
    fields.append(HTTPHeader(Self.text(line[..<colon]), Self.text(Self.trimmed(line[line.index(after: colon)...]))))
    return true
  }

  /// libcurl 7.76 reads `2000` as 200.
  private static func hasStatus(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
    let status = line.drop { $0 != UInt8(ascii: " ") }.dropFirst().prefix { $0 != UInt8(ascii: " ") }
    return status.count == 3 && status.allSatisfy { (0x30...0x39).contains($0) }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

  /// Without spaces and tabs at both ends, or without the bytes that end a line.
  private static func trimmed(
    _ bytes: Slice<UnsafeRawBufferPointer>, isLineEnd: Bool = false
  ) -> Slice<UnsafeRawBufferPointer> {
    func isTrimmed(_ byte: UInt8) -> Bool {
      isLineEnd ? byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") : isBlank(byte)
    }
    var bytes = isLineEnd ? bytes : bytes.drop(while: isTrimmed)
    while let last = bytes.last, isTrimmed(last) { bytes.removeLast() }
    return bytes
  }

  private static func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String { String(decoding: bytes, as: UTF8.self) }
}
