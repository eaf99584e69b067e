import Base
import OAuth

/// Revokes the tokens with `revoke_on_stop` when the daemon stops (RFC 7009).
@BrokerActor final class TokenRevocation {
  /// How long one revocation may take.
  private static let timeout = Duration.seconds(1)

  /// How long all revocations together may take: well below systemd's limit for a stop (`TimeoutStopSec=` of the unit).
  private static let totalLimit = Duration.seconds(5)

  private let tokens: ManagedTokens
  private let log: EventLog
  private let scheduler: RequestScheduler
  private let publisher: TokenPublisher
  /// The names of the tokens that are still to be revoked.
  private var waiting: [ServerKey: [String]] = [:]

  nonisolated init(
    _ tokens: ManagedTokens, _ log: EventLog, _ scheduler: RequestScheduler, _ publisher: TokenPublisher
  ) {
    self.tokens = tokens
    self.log = log
    self.scheduler = scheduler
    self.publisher = publisher
  }

  /// The tokens that a stop revokes.
  var revocable: [ManagedToken] { tokens.all.filter { $0.settings.revokesOnStop && $0.verifiedToken != nil } }

  /// Removes the files of the tokens and revokes these, at each server at most `limit` at once.
  ///
  /// Takes `totalLimit` and a little more at most, whatever servers and disks do.
  func run(limit: Int) async {
    let end = Moment.now().boot + Self.totalLimit
    let revocable = revocable
    for token in revocable { token.isRevokedAtStop = true }
    // Side by side: a disk that hangs takes its time once, and not from the others.
    await withTaskGroup(of: Void.self) { group in
      for token in revocable { group.addTask { await self.publisher.removeFiles(of: token) } }
    }
    let servers = Dictionary(grouping: revocable, by: \.server)
    waiting = servers.mapValues { $0.map(\.name) }
    await withTaskGroup(of: Void.self) { group in
      for (server, tokens) in servers {
        for _ in 0..<min(tokens.count, limit) {
          group.addTask {
            while let name = await self.next(at: server) { await self.revoke(name, before: end) }
          }
        }
      }
    }
  }

  private func next(at server: ServerKey) -> String? { waiting[server]?.popLast() }

  private func revoke(_ name: String, before end: BootTime) async {
    guard let token = tokens[name], let verified = token.verifiedToken else { return }
    let server = scheduler.server(of: token)
    let timeout = min(Self.timeout, end - Moment.now().boot)
    do throws(AcquisitionFailure) {
      guard timeout > .zero else { throw AcquisitionFailure(.timeout, "there was no time left before the stop") }
      let request = try await token.settings
        .requestWithFiles(preferring: token.history.clientAuthentication).get()
      try await server.revoke(verified, as: request, timeout: timeout)
      log.write(.notice, "\(name): the token was revoked", of: token)
    } catch {
      log.write(
        .warning, "\(name): the token could not be revoked and is good until its end: \(error.message)", of: token)
    }
  }
}
