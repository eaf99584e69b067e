/// The listening sockets of a sandbox. They are closed and opened together.
struct Doors: Sendable {
  let listeners: [Listener]

  func open() async throws {
    for listener in listeners { try await listener.open() }
  }

  func close(for seconds: Double?, silently: Bool) async throws {
    for listener in listeners { try await listener.close(for: seconds, silently: silently) }
  }
}
