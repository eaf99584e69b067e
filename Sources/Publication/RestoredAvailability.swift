package import Base
package import Engine
import Files

extension BrokerStatus {
  /// The availability of a token, continued from this status of the previous run until `now`.
  ///
  /// The previous run's user wrote the status. Its values are used only within the bounds of
  /// `Availability.isConsistent`. They affect the display, but no decision about a token.
  ///
  /// - Parameters:
  ///   - token: the token in this status.
  ///   - restored: the token that was found in its file and verified; `nil` if there is none. A token that has expired
  ///     since then counts until its expiry.
  /// - Returns: `nil` if the count must begin anew. The reason is another boot, an earlier release, or values that no
  ///   daemon writes.
  package func availability(of token: TokenStatus, restored: RestoredToken?, at now: Moment) -> Availability? {
    guard !bootID.isEmpty, bootID == BootID.current, let monotonic else { return nil }
    let last = token.expiresAtBoot.map(BootTime.init(nanoseconds:))
    let expiresAt = restored.map { $0.requestedAt + $0.lifetime - RefreshSchedule.rounding }
    return token.availability?.continued(
      writtenAt: monotonic, requestedAt: restored?.requestedAt,
      expiresAt: expiresAt ?? last.flatMap { $0 <= now.boot ? $0 : nil }, at: now)
  }
}
