import Base

extension TokenBroker {
  /// How long one revocation may take when the daemon stops.
  private static let revocationTimeout = Duration.seconds(1)

  /// How long all revocations together may take: well below systemd's limit for a stop (`TimeoutStopSec=` of the unit).
  private static let revocationLimit = Duration.seconds(5)

  /// Whether there are tokens with `revoke_on_stop`, for `revokeOnStop`.
  public var hasRevocable: Bool {
    managedTokens.values.contains { $0.settings.revokesOnStop && $0.verifiedToken != nil }
  }

  /// Takes the tokens with `revoke_on_stop` out of their files and revokes them (RFC 7009): at each server at most `max_requests` at once.
  ///
  /// To be called when the broker has stopped: nothing puts the files back. Takes at most `revocationLimit` and a little more, whatever
  /// servers and disks do.
  public func revokeOnStop() async {
    let end = Moment.now().boot + Self.revocationLimit
    let revocable = managedTokens.values.filter { $0.settings.revokesOnStop && $0.verifiedToken != nil }
    for managed in revocable { managed.isWithdrawnForGood = true }
    for managed in revocable { await removeFiles(of: managed) }
    let servers = Dictionary(grouping: revocable, by: \.server)
    waitingForRevocation = servers.mapValues { $0.map(\.settings.name) }
    await withTaskGroup(of: Void.self) { group in
      for (server, managedTokens) in servers {
        for _ in 0..<min(managedTokens.count, configuration.daemon.maxRequests) {
          group.addTask {
            while let name = await self.nextRevocation(at: server) { await self.revoke(name, before: end) }
          }
        }
      }
    }
  }

  private func nextRevocation(at server: ServerKey) -> String? { waitingForRevocation[server]?.popLast() }

  private func revoke(_ name: String, before end: BootTime) async {
    guard let managed = managedTokens[name], let verifiedToken = managed.verifiedToken else { return }
    let server = access(to: managed.server).server
    let timeout = min(Self.revocationTimeout, end - Moment.now().boot)
    do throws(AcquisitionFailure) {
      guard timeout > .zero else { throw AcquisitionFailure(.timeout, "there was no time left before the stop") }
      let request = try await managed.settings.requestWithFiles(preferring: managed.clientAuthentication).get()
      try await server.revoke(verifiedToken, as: request, timeout: timeout)
      noteRevocation(of: name, nil)
    } catch {
      noteRevocation(of: name, error)
    }
  }

  private func noteRevocation(of name: String, _ failure: AcquisitionFailure?) {
    guard let managed = managedTokens[name] else { return }
    if let failure {
      logger.warning(
        "\(name): the token could not be revoked and is good until its end: \(failure.message)",
        metadata: metadata(nil, of: managed))
    } else {
      logger.notice("\(name): the token was revoked", metadata: metadata(nil, of: managed))
    }
  }
}
