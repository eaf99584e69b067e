import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// A listening socket that can be closed, so that connections are refused, and opened again on the same port.
actor Listener {
  private let port: PortReservation
  private let channel: any ServerChildChannel
  private let connections = OpenConnections()
  private var serving: (task: Task<Void, Never>, channel: any Channel)?
  private var blackhole: Blackhole?
  private var reopening: Task<Void, any Error>?
  /// The last requested change. Changes are made one after the other.
  private var lastChange: Task<Void, Never>?

  nonisolated var portNumber: Int { port.port }

  /// - Parameters:
  ///   - onAccept: Called once for each accepted connection.
  ///   - base: The handler of a connection.
  init(
    port: PortReservation, onAccept: @escaping @Sendable () -> Fault.Kind? = { nil }, base: some ServerChildChannel
  ) {
    self.port = port
    channel = GatedChannel(base: base, connections: connections, onAccept: onAccept)
  }

  /// Accepts connections from now on.
  /// - Throws: If the port cannot be bound, or if listen(2) fails.
  func open() async throws {
    reopening?.cancel()
    try await inTurn { listener in try await listener.startServing() }
  }

  /// Refuses connections from now on, and resets those that are open.
  /// - Parameters:
  ///   - seconds: After so long it opens again by itself; nil for only on request.
  ///   - silently: Whether connections get no answer at all instead of a refusal.
  /// - Throws: Only if `silently`, and if this is not possible.
  func close(for seconds: Double? = nil, silently: Bool = false) async throws {
    reopening?.cancel()
    try await inTurn { listener in
      await listener.stopServing()
      listener.blackhole = silently ? try Blackhole(listener.port) : nil
    }
    guard let seconds else { return }
    reopening = Task {
      try await Task.sleep(for: .seconds(seconds))
      try await inTurn { listener in try await listener.startServing() }
    }
  }

  private func inTurn(_ change: @escaping @Sendable (isolated Listener) async throws -> Void) async throws {
    let previous = lastChange
    let task = Task {
      await previous?.value
      try await change(self)
    }
    lastChange = Task { _ = await task.result }
    try await task.value
  }

  private func startServing() async throws {
    guard serving == nil else { return }
    blackhole = nil
    connections.admit()
    let (started, continuation) = AsyncThrowingStream<any Channel, any Error>.makeStream()
    let (address, channel) = (BindAddress.hostname(port.address, port: port.port), channel)
    let task = Task {
      do {
        try await Self.serve(channel, address: address) { continuation.yield($0) }
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
    for try await channel in started {
      try await channel.eventLoop.submit { channel.pipeline.syncOperations.keepFromOtherProcesses() }.get()
      serving = (task, channel)
      return
    }
  }

  private func stopServing() async {
    guard let (task, channel) = serving else { return }
    serving = nil
    try? await channel.eventLoop.submit { channel.pipeline.syncOperations.stopListening() }.get()
    try? await channel.close()
    connections.cutAll()
    task.cancel()
    await task.value
  }

  private static func serve<Child: ServerChildChannel>(
    _ child: Child, address: BindAddress, onRunning: @escaping @Sendable (any Channel) async -> Void
  ) async throws {
    let server = Server(
      childChannelSetup: child, configuration: .init(address: address, backlog: 1024), onServerRunning: onRunning,
      eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
      logger: Logger(label: "konexus-sandbox", factory: { _ in SwiftLogNoOpLogHandler() }))
    try await server.run()
  }
}
