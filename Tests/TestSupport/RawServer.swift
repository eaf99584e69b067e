import Glibc
import Synchronization

/// A TCP server on a loopback port that does exactly what a script says, correct or not.
///
/// Each connection runs the script on a thread of its own. The server lasts as long as the process, unless it is
/// stopped. If it ended with its last reference, another test's server could get its port. A client could then still be
/// connected to it.
package final class RawServer: Sendable {
  package typealias Script = @Sendable (RawConnection) -> Void

  package let port: Int
  private let listener: Int32
  private let record: Record

  /// What happened so far.
  package final class Record: Sendable {
    struct Contents {
      var connections = 0
      var requests: [RawRequest] = []
      var bytesSent = 0
      var open: Set<Int32> = []
    }
    let contents = Mutex(Contents())
  }

  /// - Parameter backlog: How many connections the kernel accepts on behalf of a script that never does (`accepts`
  ///   false).
  package init(backlog: Int32 = 512, accepts: Bool = true, _ script: @escaping Script = { _ in }) throws {
    (listener, port) = try Self.bindPort()
    guard listen(listener, backlog) == 0 else { throw RawServerFailure(code: errno) }
    record = Record()
    guard accepts else { return }
    try Self.onThread { [listener, record] in
      while true {
        let descriptor = accept(listener, nil, nil)
        if descriptor < 0 {
          guard [EINTR, ECONNABORTED, EMFILE].contains(errno) else { return }
          usleep(1000)
          continue
        }
        record.contents.withLock {
          $0.connections += 1
          $0.open.insert(descriptor)
        }
        let connection = RawConnection(descriptor: descriptor, record: record)
        let started: Void? = try? Self.onThread {
          script(connection)
          connection.close()
        }
        if started == nil { connection.close() }
      }
    }
  }

  /// Stops listening, and ends all connections.
  package func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
    record.contents.withLock { contents in
      for descriptor in contents.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
  }

  /// A socket with a port of its own on which nothing listens yet.
  package static func bindPort() throws -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard bound else { throw RawServerFailure(code: errno) }
    return (descriptor, Int(address.sin_port.bigEndian))
  }

  package var url: String { "http://127.0.0.1:\(port)" }
  package var secureURL: String { "https://127.0.0.1:\(port)" }
  package var connections: Int { record.contents.withLock { $0.connections } }
  package var requests: [RawRequest] { record.contents.withLock { $0.requests } }
  package var openConnections: Int { record.contents.withLock { $0.open.count } }
  package var bytesSent: Int { record.contents.withLock { $0.bytesSent } }

  /// Runs `body` on a new thread.
  package static func onThread(_ body: @escaping @Sendable () -> Void) throws {
    final class Box {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 256 << 10)
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let code = pthread_create(
      &thread, &attributes,
      { context in
        guard let context else { return nil }
        Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body()
        return nil
      }, box.toOpaque())
    if code != 0 {
      box.release()
      throw RawServerFailure(code: code)
    }
  }
}

package struct RawServerFailure: Error {
  package var code: Int32

  package init(code: Int32) { self.code = code }
}

/// A request as its bytes were.
package struct RawRequest: Sendable {
  package var line: String
  package var headers: [String]
  package var body: [UInt8]

  package func header(_ name: String) -> String? {
    headers.first { $0.lowercased().hasPrefix(name.lowercased() + ":") }.map { line in
      String(line.dropFirst(name.count + 1).drop { $0 == " " })
    }
  }
}

/// The server's end of one connection.
package struct RawConnection: Sendable {
  package let descriptor: Int32
  let record: RawServer.Record

  /// Reads one request with its content; nil at the end of the connection.
  package func readRequest() -> RawRequest? {
    var bytes: [UInt8] = []
    var end: Int?
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    func fill() -> Bool {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { return false }
      bytes += buffer[..<count]
      return true
    }
    while end == nil {
      guard fill() else { return nil }
      end = bytes.indices.dropLast(3).first { bytes[$0...].starts(with: [13, 10, 13, 10]) }
    }
    guard let end else { return nil }
    let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n").map(String.init)
    var request = RawRequest(line: lines.first ?? "", headers: Array(lines.dropFirst()), body: [])
    let length = request.header("Content-Length").flatMap { Int($0) } ?? 0
    while bytes.count < end + 4 + length { guard fill() else { return nil } }
    request.body = Array(bytes[(end + 4)...].prefix(length))
    record.contents.withLock { $0.requests.append(request) }
    return request
  }

  /// Sends all of `bytes`; false if the client is gone.
  @discardableResult
  package func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
      record.contents.withLock { $0.bytesSent += count }
    }
    return true
  }

  @discardableResult
  package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// A plain answer.
  package func answer(_ body: String, status: String = "200 OK", headers: [String] = []) {
    send(
      (["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + headers).joined(separator: "\r\n") + "\r\n\r\n"
        + body)
  }

  /// Answers requests until the client goes away.
  package func answerAll(_ body: String, headers: [String] = []) {
    while readRequest() != nil { answer(body, headers: headers) }
  }

  /// Waits until the client has closed its end.
  package func waitForClose() {
    var byte: UInt8 = 0
    while recv(descriptor, &byte, 1, 0) > 0 {}
  }

  /// Passes bytes on between the client and `other` until one of them ends.
  package func relay(to other: Int32) {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    var ends = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: other, events: Int16(POLLIN), revents: 0),
    ]
    while poll(&ends, 2, -1) >= 0 {
      for (from, to) in [(0, 1), (1, 0)] where ends[from].revents != 0 {
        let count = recv(ends[from].fd, &buffer, buffer.count, 0)
        if count < 0 && errno == EAGAIN { continue }
        guard count > 0, Glibc.send(ends[to].fd, buffer, count, Int32(MSG_NOSIGNAL)) == count else { return }
      }
    }
  }

  /// Ends the connection by a reset instead of a proper end.
  package func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    close()
  }

  package func close() {
    record.contents.withLock { contents in
      if contents.open.remove(descriptor) != nil { Glibc.close(descriptor) }
    }
  }
}
