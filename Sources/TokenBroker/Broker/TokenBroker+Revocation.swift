import OAuthClient

extension TokenBroker {
  /// The longest that the server is waited for when the daemon stops.
  private static let revocationLimit = Duration.seconds(1)

  /// Takes the tokens with `revoke_on_stop` out of their files. To be called when the broker has stopped: nothing puts them back.
  ///
  /// - Returns: whether there are any that the server has to be told of by `revokeWithdrawn`.
  public func withdrawRevocable() -> Bool {
    let revocable = keepers.values.filter { $0.settings.revokesOnStop && $0.grant != nil }
    for keeper in revocable {
      withdraw(keeper)
      keeper.isWithdrawnForGood = true
    }
    return !revocable.isEmpty
  }

  /// Revokes the tokens that were withdrawn (RFC 7009), all at once. Takes hardly more than a second, whatever the servers do.
  public func revokeWithdrawn() async {
    await withTaskGroup(of: Void.self) { group in
      for (name, keeper) in keepers where keeper.isWithdrawnForGood {
        guard let grant = keeper.grant else { continue }
        let server = access(to: keeper.server).server
        do throws(AcquisitionFailure) {
          let request = try keeper.request()
          group.addTask {
            do throws(AcquisitionFailure) {
              try await server.revoke(grant, as: request, timeout: Self.revocationLimit)
              await self.noteRevocation(of: name, nil)
            } catch {
              await self.noteRevocation(of: name, error)
            }
          }
        } catch {
          noteRevocation(of: name, error)
        }
      }
    }
  }

  private func noteRevocation(of name: String, _ failure: AcquisitionFailure?) {
    guard let keeper = keepers[name] else { return }
    if let failure {
      logger.warning(
        "\(name): the token could not be revoked and is good until its end: \(failure.message)",
        metadata: metadata(nil, of: keeper))
    } else {
      logger.notice("\(name): the token was revoked", metadata: metadata(nil, of: keeper))
    }
  }
}
