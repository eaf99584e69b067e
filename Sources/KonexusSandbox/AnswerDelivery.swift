import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTP1

/// Sends an answer to the client, correctly or with a fault.
struct AnswerDelivery {
  let answer: FaultyAnswer
  let channel: any Channel
  /// Unix time by the server's clock, for the `Date` header.
  let now: Double

  /// - Parameter isHead: Whether the request was HEAD. Then no body is sent.
  func send(_ writer: consuming ResponseWriter, isHead: Bool) async throws {
    if answer.delay > 0 { try await Task.sleep(for: .seconds(answer.delay)) }
    switch answer.delivery {
    case .reset: try await cut(reset: true)
    case .close: try await cut(reset: false)
    case .hang: try await channel.closeFuture.get()
    case .rawBytes(let bytes):
      try await raw.send(bytes)
      try await channel.close()
    case .dripAll(let portion, let seconds):
      var rest =
        (rawHead(with: "Content-Length: \(answer.body.count)\r\nConnection: close") + (isHead ? [] : answer.body))[...]
      while !rest.isEmpty {
        try await raw.send(rest.prefix(portion))
        rest = rest.dropFirst(portion)
        if !rest.isEmpty { try await Task.sleep(for: .seconds(seconds)) }
      }
      try await channel.close()
    case .whole:
      try await writer.write(response: head, body: isHead ? .init() : .init(byteBuffer: ByteBuffer(bytes: answer.body)))
    case .half:
      var body: any ResponseBodyWriter = try await writer.writeHead(head)
      try await body.write(ByteBuffer(bytes: answer.body.prefix(answer.body.count / 2)))
      try await cut(reset: false)
    case .drip(let portion, let seconds):
      var body: any ResponseBodyWriter = try await writer.writeHead(head)
      var rest = answer.body[...]
      while !rest.isEmpty {
        try await body.write(ByteBuffer(bytes: rest.prefix(portion)))
        rest = rest.dropFirst(portion)
        if !rest.isEmpty { try await Task.sleep(for: .seconds(seconds)) }
      }
      try await body.finish(nil)
    case .endless:
      try await raw.send(rawHead(with: "Transfer-Encoding: chunked"))
      let chunk = Array("10000\r\n".utf8) + Array(repeating: UInt8(ascii: " "), count: 1 << 16) + Array("\r\n".utf8)
      // The client ends this. When it closes the connection, sending throws.
      while true { try await raw.send(chunk) }
    case .huge(let mebibytes):
      let (start, end) = ("{\"padding\":\"", "\"}")
      let length = start.utf8.count + mebibytes << 20 + end.utf8.count
      try await raw.send(rawHead(with: "Content-Length: \(length)\r\nConnection: close") + Array(start.utf8))
      let filling = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 16)
      for _ in 0..<(mebibytes << 4) { try await raw.send(filling) }
      try await raw.send(Array(end.utf8))
      try await channel.close()
    }
  }

  /// The head without `Content-Length`.
  private var headWithoutLength: HTTPResponse {
    var fields = HTTPFields()
    for (name, value) in answer.headers {
      if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
    }
    if fields[.date] == nil { fields[.date] = HTTPDate.text(unixTime: now) }
    return HTTPResponse(status: .init(code: answer.status), headerFields: fields)
  }

  private var head: HTTPResponse {
    var head = headWithoutLength
    if head.headerFields[.contentLength] == nil { head.headerFields[.contentLength] = "\(answer.body.count)" }
    return head
  }

  private func cut(reset: Bool) async throws {
    channel.cut(reset: reset)
    try await channel.closeFuture.get()
  }

  private var raw: RawSending { RawSending(channel: channel) }

  /// The status line and the header fields of `whole` as bytes. Its Content-Length is left out, and the fields `more`
  /// are added.
  private func rawHead(with more: String) -> [UInt8] {
    let head = headWithoutLength
    let lines = head.headerFields.map { "\($0.name): \($0.value)\r\n" }.joined()
    return Array("HTTP/1.1 \(answer.status) \(head.status.reasonPhrase)\r\n\(lines)\(more)\r\n\r\n".utf8)
  }
}

/// Sends bytes through TLS, but not through the HTTP encoder.
private struct RawSending {
  let channel: any Channel

  /// Returns when the bytes are in the socket, so that an endless body needs little memory.
  func send(_ bytes: some Sequence<UInt8>) async throws {
    let buffer = ByteBuffer(bytes: bytes)
    try await channel.eventLoop.flatSubmit { [channel] in
      do {
        let encoder = try channel.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
        return encoder.writeAndFlush(NIOAny(buffer))
      } catch {
        return channel.eventLoop.makeFailedFuture(error)
      }
    }.get()
  }
}
