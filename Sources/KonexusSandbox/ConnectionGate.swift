import Glibc
import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// The first handler of each connection, outside of TLS. It can end the connection as a broken network does.
final class ConnectionGate: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let fault: Fault.Kind?
  private var context: ChannelHandlerContext?

  init(fault: Fault.Kind?) { self.fault = fault }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    context.channel.pipeline.syncOperations.keepFromOtherProcesses()
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) {
    context.fireChannelActive()
    if fault == .resetOnAccept { cut(reset: true) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if fault == .hangOnAccept { return }
    context.fireChannelRead(data)
  }

  /// Closes the socket without a message of TLS. It sends RST if `reset`, otherwise FIN after the written bytes.
  func cut(reset: Bool) {
    guard let context else { return }
    context.channel.pipeline.syncOperations.withSocket { socket in
      // close(2) is not enough, because a process that was forked meanwhile can also hold the socket.
      if reset {
        var nowhere = sockaddr(sa_family: sa_family_t(AF_UNSPEC), sa_data: sockaddr().sa_data)
        connect(socket, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
      } else {
        shutdown(socket, CInt(SHUT_RDWR))
      }
    }
    context.close(promise: nil)
  }
}

extension ChannelPipeline.SynchronousOperations {
  /// Closes the socket in every process that is spawned from now on. NIO leaves it open in them.
  func keepFromOtherProcesses() {
    withSocket { socket in _ = fcntl(socket, F_SETFD, FD_CLOEXEC) }
  }

  fileprivate func withSocket(_ body: (CInt) -> Void) {
    // A closed channel has no socket, and nothing is left to do.
    _ = try? withUnsafeTransportIfAvailable(of: CInt.self) { body($0) }
  }

  /// Ends listening at once, even if another process also holds the socket.
  func stopListening() {
    withSocket { socket in _ = shutdown(socket, CInt(SHUT_RDWR)) }
  }
}

extension Channel {
  /// Ends the connection. Any thread can call this.
  func cut(reset: Bool) {
    eventLoop.execute {
      try? self.pipeline.syncOperations.handler(type: ConnectionGate.self).cut(reset: reset)
    }
  }
}

/// The open connections, so that all can be ended at once.
final class OpenConnections: Sendable {
  private struct Contents {
    var channels: [ObjectIdentifier: any Channel] = [:]
    var isAdmitting = true
  }

  private let contents = Mutex(Contents())

  /// Adds a connection; false if it comes too late and must be ended.
  func add(_ channel: any Channel) -> Bool {
    let id = ObjectIdentifier(channel)
    let isAdmitted = contents.withLock { contents in
      if contents.isAdmitting { contents.channels[id] = channel }
      return contents.isAdmitting
    }
    channel.closeFuture.whenComplete { _ in _ = self.contents.withLock { $0.channels.removeValue(forKey: id) } }
    return isAdmitted
  }

  /// Admits connections again after `cutAll`.
  func admit() { contents.withLock { $0.isAdmitting = true } }

  /// Resets all connections, and those that come after.
  func cutAll() {
    let channels = contents.withLock { contents in
      contents.isAdmitting = false
      return Array(contents.channels.values)
    }
    for channel in channels { channel.cut(reset: true) }
  }
}

/// Sets up a connection with a gate as its first handler.
struct GatedChannel<Base: ServerChildChannel>: ServerChildChannel {
  let base: Base
  let connections: OpenConnections
  /// Called once for each accepted connection.
  let onAccept: @Sendable () -> Fault.Kind?

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
    let fault = connections.add(channel) ? onAccept() : .resetOnAccept
    // A client that closes its side no longer waits. A request that hangs must end with it.
    return channel.setOption(.allowRemoteHalfClosure, value: false).flatMapThrowing {
      try channel.pipeline.syncOperations.addHandler(ConnectionGate(fault: fault))
    }.flatMap {
      base.setup(channel: channel, logger: logger)
    }
  }

  func handle(value: Base.Value, logger: Logger) async {
    await base.handle(value: value, logger: logger)
  }
}
