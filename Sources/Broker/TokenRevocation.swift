import Base
import Engine
import OAuth

/// Revokes the tokens with `revoke_on_stop` when the daemon stops (RFC 7009), in the order and the time of the engine.
@BrokerActor final class TokenRevocation {
  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let log: EventLog
  private let sender: RequestSender
  private let publisher: TokenPublisher

  nonisolated init(
    _ tokens: ManagedTokens, _ loop: EngineLoop, _ log: EventLog, _ sender: RequestSender, _ publisher: TokenPublisher
  ) {
    self.tokens = tokens
    self.loop = loop
    self.log = log
    self.sender = sender
    self.publisher = publisher
  }

  /// Removes the files of a token. They are not written again.
  func withdraw(_ name: String) {
    guard let token = tokens[name] else { return loop.post(.withdrawn(name)) }
    token.isRevokedAtStop = true
    Task(executorPreference: BrokerActor.requests) {
      await self.publisher.removeFiles(of: token)
      await self.loop.post(.withdrawn(name))
    }
  }

  /// Revokes a token.
  func revoke(_ name: String, timeout: Duration) {
    guard let token = tokens[name], let verified = token.verifiedToken else { return loop.post(.revoked(name)) }
    // A token of previous settings or secrets is revoked with these.
    let last = token.lastRequest
    let server = sender.server(last.server)
    Task(executorPreference: BrokerActor.requests) {
      let result: Result<Void, AcquisitionFailure>
      do throws(AcquisitionFailure) {
        let request = try await last.request()
        result = .success(try await server.revoke(verified, as: request, timeout: timeout))
      } catch {
        result = .failure(error)
      }
      await self.finish(name, result)
    }
  }

  private func finish(_ name: String, _ result: Result<Void, AcquisitionFailure>) {
    if let token = tokens[name] {
      switch result {
      case .success: log.write(.notice, "\(name): the token was revoked", of: token)
      case .failure(let failure): leave(token, failure.message)
      }
    }
    loop.post(.revoked(name))
  }

  /// Reports a token that could not be revoked in time.
  func leave(_ name: String) {
    if let token = tokens[name] { leave(token, "there was no time left before the stop") }
  }

  private func leave(_ token: ManagedToken, _ reason: String) {
    log.write(
      .warning, "\(token.name): the token could not be revoked and is good until its end: \(reason)", of: token)
  }
}
