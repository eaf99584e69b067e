import Base
import Engine
import Files
import HTTP
import Logging
import OAuth
import Publication
import Settings
import Synchronization
import TestSupport

@testable import Broker

/// The parts of a broker that send requests and write files, with an engine whose effects a test performs.
@BrokerActor final class BrokerParts {
  /// The token's name.
  nonisolated static let name = "gauge"

  let tokens = ManagedTokens()
  let loop = EngineLoop(at: .now())
  let sender: RequestSender
  let publisher: TokenPublisher
  /// The effects of the engine so far.
  private(set) var effects: [HostEffect] = []

  init(_ settings: TokenSettings) throws {
    let log = EventLog(Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    sender = RequestSender(tokens, loop, log, http: HTTPClient())
    publisher = TokenPublisher(
      tokens, loop, log, OutputWatch(tokens, log), DirectoryLocks(runtimeDirectory: "/dev/shm"))
    loop.connect { [weak self] in self?.effects.append($0) }
    let token = ManagedToken(settings, allowsPersistentStorage: false)
    tokens.stage(token)
    var change = HostChange(maxRequests: 4)
    change.added = [settings.plan(server: sender.serverID(of: token), mayHang: false)]
    loop.post(.configured(change))
    _ = tokens.manage(Self.name)
    loop.post(.restored(Self.name, nil, nil))
  }

  /// Settings for `server`, with a file in `directory`.
  nonisolated static func settings(_ server: RawServer, in directory: String = "/dev/shm") -> TokenSettings {
    var settings = TokenSettings(name: name, issuer: server.url, clientID: "client")
    settings.secrets = [.literal(Secret("secret"))]
    settings.verification = .none
    settings.outputs = [TokenOutput(path: "\(directory)/\(name).token")]
    return settings
  }

  var token: ManagedToken? { tokens[Self.name] }
  var lifecycle: TokenLifecycle? { loop.engine.lifecycle(of: Self.name) }

  /// The last attempt that the engine requested.
  var attempt: UInt64 {
    for case .send(_, let attempt, _, _) in effects.reversed() { return attempt }
    return 0
  }

  /// The last work on files that the engine requested.
  var work: (kind: FileWork, number: UInt64)? {
    for case .work(let kind, _, let number) in effects.reversed() { return (kind, number) }
    return nil
  }

  /// The attempts whose token the engine has taken, with their times.
  var accepted: [(attempt: UInt64, times: TokenTimes)] {
    effects.compactMap { if case .accept(_, let attempt, let times) = $0 { (attempt, times) } else { nil } }
  }

  /// Sends the engine's request, and waits for its token.
  func fetch() async throws {
    let number = attempt
    sender.send(Self.name, number, timeout: .seconds(20), mayFallBack: false)
    try await wait { accepted.last?.attempt == number }
  }

  /// The same, and makes the token the newest one.
  func take() async throws {
    try await fetch()
    if let (attempt, times) = accepted.last { sender.accept(Self.name, attempt, times) }
  }

  /// Waits until `holds`, for 20 s at most.
  func wait(until holds: () -> Bool) async throws {
    for _ in 0..<2000 {
      if holds() { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw Timeout(effects: "\(effects)")
  }

  struct Timeout: Error {
    var effects: String
  }
}

extension RawServer {
  /// An authorization server with opaque tokens: `token-1`, `token-2`, and so on, or what `answer` says.
  static func opaque(
    _ answer: @escaping @Sendable (_ number: Int) -> String? = { _ in nil }
  ) throws -> RawServer {
    let requests = Atomic(0)
    return try RawServer { connection in
      while let request = connection.readRequest() {
        let issuer = "http://\(request.header("Host") ?? "")"
        guard request.line.hasPrefix("POST") else {
          connection.answer(#"{"issuer": "\#(issuer)", "token_endpoint": "\#(issuer)/token"}"#)
          continue
        }
        let number = requests.add(1, ordering: .relaxed).newValue
        connection.answer(
          answer(number) ?? #"{"access_token": "token-\#(number)", "expires_in": 3600, "token_type": "Bearer"}"#)
      }
    }
  }
}
