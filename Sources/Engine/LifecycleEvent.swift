public import Base

/// What may happen to a token.
public enum LifecycleEvent: Hashable, Sendable {
  /// The daemon starts; `restored` is the token that a former run left, if it verified.
  case started(restored: TokenTimes?)
  /// The queued request was sent; it must have ended by `limit`.
  case began(limit: BootTime)
  /// A verified token came.
  case acquired(TokenTimes)
  /// The attempt failed.
  case failed(AcquisitionFailure)
  /// The newest token is in its file.
  case published
  /// The files are gone, as they should be.
  case unpublished
  /// It could not be put there; or, without a token, what ended could not be removed.
  case publicationFailed(String)
  /// The file is not as it was left: deleted, replaced, or its mode changed.
  case modifiedExternally
  /// A timer fired, a clock was stepped, the watchdog beat: see what is due.
  case woke
  /// The host was suspended until now.
  case resumed
  /// Somebody wants a new token now (SIGUSR1).
  case refresh
  /// The token was asked for with settings, or a secret, that no longer hold.
  case settingsChanged
}

/// What has to be done about it, in this order.
public enum LifecycleEffect: Hashable, Sendable {
  /// Ask for a token, as soon as the issuer's turn comes. An attempt under way is given up for it.
  case request
  /// Put the newest token into its file.
  case publish
  /// Remove the file: what is in it has ended.
  case unpublish
  /// Wake the lifecycle at this time; replaces what was armed before.
  case arm(BootTime)
  /// Tell people.
  case report(LifecycleReport)
}

/// What people are told, once each.
public enum LifecycleReport: Hashable, Sendable {
  /// A former run's token serves on.
  case restored(TokenTimes)
  /// A new token came; `failureStreak` is what preceded it.
  case acquired(TokenTimes, after: FailureStreak?)
  /// Attempts fail now, or fail in another way than before.
  case failing(AcquisitionFailure, next: BootTime)
  /// They still fail as they did: not worth a line in the log.
  case stillFailing(AcquisitionFailure, next: BootTime)
  /// The token in the file ended without a successor.
  case expired
  /// The newest token cannot be put into its file.
  case publicationFailing(String)
  /// The token has ended and cannot be removed from its file.
  case removalFailing(String)
  /// It can again.
  case publicationRecovered
  /// The file was disturbed and put back.
  case republished
}

/// A row of failed attempts.
public struct FailureStreak: Hashable, Sendable {
  /// The last failure.
  public var failure: AcquisitionFailure
  /// How many attempts failed in a row.
  public var count: Int
  /// When the first of them failed.
  public var since: BootTime
}
