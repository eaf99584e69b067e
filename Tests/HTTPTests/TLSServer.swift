import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// An HTTPS server on a loopback port that gives every request the same small answer. It lasts as long as the process.
final class TLSServer: Sendable {
  let port: Int
  private let counts: Counts

  final class Counts: Sendable {
    struct Contents {
      var connections = 0
      var requests = 0
      var heads: [String] = []
    }
    let contents = Mutex(Contents())
  }

  /// - Parameters:
  ///   - status: Its status line, without the version.
  ///   - headers: Further header fields of it.
  ///   - answers: How many requests of a connection it answers. It reads the others and stays silent.
  ///   - configure: Further TLS settings: versions, client certificates.
  init(
    _ identity: TestAuthority.Identity, answer: String = "{}", status: String = "200 OK", headers: [String] = [],
    answers: Int = .max,
    configure: (inout TLSConfiguration) throws -> Void = { _ in }
  ) async throws {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(identity.certificate.utf8)).map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(identity.key.utf8), format: .pem)))
    try configure(&configuration)
    let context = try NIOSSLContext(configuration: configuration)
    let counts = Counts()
    let head = ["HTTP/1.1 \(status)", "Content-Length: \(answer.utf8.count)"] + headers
    let whole = head.joined(separator: "\r\n") + "\r\n\r\n" + answer
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 512)
      .childChannelInitializer { channel in
        counts.contents.withLock { $0.connections += 1 }
        return channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers([
            NIOSSLServerHandler(context: context), Answerer(answer: whole, answers: answers, counts: counts),
          ])
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = channel.localAddress?.port ?? 0
    self.counts = counts
  }

  var url: String { "https://127.0.0.1:\(port)/" }
  var connections: Int { counts.contents.withLock { $0.connections } }
  var requests: Int { counts.contents.withLock { $0.requests } }
  /// The header fields of the requests, with their request lines.
  var heads: [String] { counts.contents.withLock { $0.heads } }

  /// Answers each request head; requests with content are not for this server.
  private final class Answerer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: String
    private var answers: Int
    private let counts: Counts
    private var head = ""

    init(answer: String, answers: Int, counts: Counts) {
      self.answer = answer
      self.answers = answers
      self.counts = counts
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      head += String(buffer: unwrapInboundIn(data))
      guard head.hasSuffix("\r\n\r\n") else { return }
      counts.contents.withLock { [head] in
        $0.requests += 1
        $0.heads.append(head)
      }
      head = ""
      answers -= 1
      guard answers >= 0 else { return }
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }
  }
}
