import CZlib
import TestSupport
import Testing
@testable import HTTP

/// Content in a coding that was not asked for.
@Suite(.timeLimit(.minutes(1))) struct ContentCodingTests {
  private static let text = Array(#"{"access_token":"abc","token_type":"Bearer","expires_in":3600}"#.utf8)

  /// The formats that servers send under these names, as windowBits of zlib.
  static let formats: [(String, Int32)] = [
    ("gzip", 31), ("x-gzip", 31), ("GZip", 31), (" gzip ", 31), ("identity, gzip", 31), ("deflate", 15),
    ("deflate", -15),
  ]

  private func coding(_ name: String) -> ContentCoding {
    ContentCoding(HTTPHeaders([HTTPHeader("Content-Encoding", name)]))
  }

  private static func deflate(_ content: [UInt8], _ windowBits: Int32) -> [UInt8] {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    defer { stream.deallocate() }
    stream.initialize(to: z_stream())
    precondition(czlib_deflate_init(stream, windowBits) == Z_OK)
    defer { deflateEnd(stream) }
    var input = content
    return [UInt8](unsafeUninitializedCapacity: Int(deflateBound(stream, UInt(content.count)))) { output, count in
      input.withUnsafeMutableBufferPointer { input in
        stream.pointee.next_in = input.baseAddress
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(output.count)
        precondition(CZlib.deflate(stream, Z_FINISH) == Z_STREAM_END)
      }
      count = output.count - Int(stream.pointee.avail_out)
    }
  }

  @Test(arguments: formats) func isDecoded(_ name: String, _ windowBits: Int32) {
    var generator = SystemRandomNumberGenerator()
    for count in [0, 1, 62, 70_000] {
      let content = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
      let encoded = Self.deflate(content, windowBits)
      #expect(coding(name).decode(encoded, limit: 70_000) == .content(content), "\(count) bytes")
    }
  }

  @Test(arguments: formats) func theLimitIsThatOfTheDecodedContent(_ name: String, _ windowBits: Int32) {
    let encoded = Self.deflate(Array(repeating: 0x20, count: 1000), windowBits)
    #expect(coding(name).decode(encoded, limit: 1000) == .content(Array(repeating: 0x20, count: 1000)))
    #expect(coding(name).decode(encoded, limit: 999) == .oversized)
    #expect(coding(name).decode(encoded, limit: 0) == .oversized)
    let bomb = Self.deflate(Array(repeating: 0x20, count: 64 << 20), windowBits)
    #expect(coding(name).decode(bomb, limit: 1 << 20) == .oversized)
  }

  @Test func aGzipFileCanHaveSeveralMembers() {
    let halves = [Self.text.prefix(20), Self.text.dropFirst(20)].map { Self.deflate(Array($0), 31) }
    #expect(coding("gzip").decode(halves[0] + halves[1], limit: 100) == .content(Self.text))
    #expect(coding("gzip").decode(halves[0] + halves[1], limit: Self.text.count - 1) == .oversized)
    #expect(coding("gzip").decode(halves[0] + [0], limit: 100) == .unreadable)
  }

  @Test(arguments: formats) func damagedContentIsNotDecoded(_ name: String, _ windowBits: Int32) {
    let encoded = Self.deflate(Self.text, windowBits)
    for length in 1..<encoded.count {
      #expect(coding(name).decode(Array(encoded.prefix(length)), limit: 1000) == .unreadable, "\(length) bytes")
    }
    #expect(coding(name).decode(encoded + [0x7b], limit: 1000) == .unreadable)
    // Only these formats have a checksum.
    guard windowBits > 0 else { return }
    for index in encoded.indices {
      for bit in 0..<8 {
        var damaged = encoded
        damaged[index] ^= 1 << bit
        let decoded = coding(name).decode(damaged, limit: 1000)
        // Some bits of the header say nothing of the content.
        #expect(decoded == .unreadable || decoded == .content(Self.text), "bit \(bit) of byte \(index)")
      }
    }
  }

  @Test(arguments: ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate", "utf-8", "g\u{212A}zip", "none"])
  func otherCodingsAreNamed(_ name: String) async throws {
    #expect(coding(name).decode(Self.text, limit: 1000) == .unreadable)
    let server = try RawServer { $0.answerAll("{}", headers: ["Content-Encoding: \(name)"]) }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url))
    #expect(response.body == Array("{}".utf8))
    #expect(response.undecodedCoding == name)
  }

  @Test(arguments: [[], ["Content-Encoding: identity"], ["Content-Encoding:"], ["Content-Encoding: , Identity"]])
  func contentWithoutCodingStaysAsItIs(_ headers: [String]) async throws {
    let server = try RawServer { $0.answerAll("{}", headers: headers) }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url))
    #expect(response.body == Array("{}".utf8) && response.undecodedCoding == nil)
  }

  @Test func codingsOfSeveralFieldsBelongTogether() async throws {
    let server = try RawServer { $0.answerAll("{}", headers: ["Content-Encoding: gzip", "content-encoding: br"]) }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url))
    #expect(response.undecodedCoding == "gzip, br")
  }

  /// Answers with these bytes under this name.
  private func response(
    _ bytes: [UInt8], _ name: String, status: String = "200 OK", limit: Int = 1 << 20, discardsBody: Bool = false
  ) async throws -> HTTPResponse {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 \(status)\r\nContent-Encoding: \(name)\r\nContent-Length: \(bytes.count)\r\n\r\n")
      connection.send(bytes)
      connection.waitForClose()
    }
    return try await HTTPClient(maximumBodyBytes: limit).send(
      HTTPRequest(url: server.url, discardsBody: discardsBody))
  }

  @Test(arguments: formats) func aResponseIsDecoded(_ name: String, _ windowBits: Int32) async throws {
    for status in ["200 OK", "400 Bad Request"] {
      let response = try await response(Self.deflate(Self.text, windowBits), name, status: status)
      #expect(response.body == Self.text && response.undecodedCoding == nil)
    }
  }

  @Test(arguments: [("200 OK", 1000), ("503 Service Unavailable", 1000), ("200 OK", 8 << 20)])
  func aResponseThatDecodesToTooMuchIsRejected(_ status: String, _ count: Int) async throws {
    let bomb = Self.deflate(Array(repeating: 0x20, count: count), 31)
    let limit = max(count / 500, bomb.count)
    #expect(limit < count)
    let failure = await #expect(throws: HTTPFailure.self) {
      try await response(bomb, "gzip", status: status, limit: limit)
    }
    #expect(failure?.reason == .bodyTooLarge(limit: limit))
    #expect(failure?.message.contains("content of more than \(limit) bytes") == true)
  }

  @Test func aDiscardedResponseIsNotDecoded() async throws {
    let response = try await response(Self.deflate(Self.text, 31), "gzip", discardsBody: true)
    #expect(response.body.isEmpty && response.undecodedCoding == nil)
  }

  @Test func aDamagedResponseStaysAsItIs() async throws {
    let damaged = Array(Self.deflate(Self.text, 31).dropLast(9))
    let response = try await response(damaged, "gzip")
    #expect(response.body == damaged && response.undecodedCoding == "gzip")
  }
}
