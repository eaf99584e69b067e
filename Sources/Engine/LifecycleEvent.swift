public import Base

/// An event in the lifecycle of a token.
public enum LifecycleEvent: Hashable, Sendable {
  /// The daemon starts; `restored` is the token of the previous run, if it was verified.
  case started(restored: TokenTimes?)
  /// The queued request was sent; it must have ended by `limit`.
  case began(limit: BootTime)
  /// The attempt brought a verified token, which is tried at the API before it replaces the present one. That ends at
  /// `limit`.
  case received(limit: BootTime)
  /// A verified token was received.
  case acquired(TokenTimes)
  /// The server returned the newest token again, or an earlier one that is no better. The newest one has these times
  /// now. `isRewritten`: it is written once more.
  case returnedAgain(TokenTimes, isRewritten: Bool)
  /// As far as is known, the API does not accept the newest token any more. `requests`: another one is requested now.
  case rejected(AcquisitionFailure, requests: Bool)
  /// As far as is known, the newest token is accepted again.
  case accepted
  /// The attempt failed.
  case failed(AcquisitionFailure)
  /// The attempt brought an expired token again. By the server's response, it can issue a new one at `renewal`.
  case returnedExpired(AcquisitionFailure, renewal: BootTime)
  /// The newest token is in its files.
  case published
  /// The files were removed.
  case unpublished
  /// The newest token could not be written to its files. Without one: an expired token could not be removed.
  case publicationFailed(String)
  /// At least one file could not be written, for this reason. The first one holds the newest token.
  case publishedIncompletely(String)
  /// A file was removed, replaced, or its mode changed by another process.
  case modifiedExternally
  /// Something may be due: a timer fired, a clock was stepped, or a heartbeat came.
  case woke
  /// The host was suspended until now.
  case resumed
  /// A new token was requested, for example by SIGUSR1. It is requested now, or after the request under way if that
  /// fails.
  case refresh
  /// An application cannot use the present token. A new one is requested as soon as the server permits it.
  case wanted
  /// The token was requested with settings, or a secret, that are not in effect any more.
  case settingsChanged

  /// Whether an attempt has brought a verified token.
  var bringsToken: Bool {
    switch self {
    case .acquired, .returnedAgain: true
    default: false
    }
  }

  /// Whether it only asks for what is due, so that it can have no effect.
  var mayChangeNothing: Bool { self == .woke || self == .wanted }
}

/// What the shell must do, in the given order.
public enum LifecycleEffect: Hashable, Sendable {
  /// Request a token, through the issuer's queue. An attempt under way is abandoned.
  case request
  /// Write the newest token to its files.
  case publish
  /// Remove the files: the token in them has expired.
  case unpublish
  /// Write a log line.
  case report(LifecycleReport)
}

/// A change that the log reports once.
public enum LifecycleReport: Hashable, Sendable {
  /// The token of the previous run is reused.
  case restored(TokenTimes)
  /// A new token was received, after these failures.
  case acquired(TokenTimes, after: FailureStreak?)
  /// The present settings fail, and the previous request brought this token. `isFirst`: they brought the token before.
  case fellBack(TokenTimes, isFirst: Bool)
  /// The server returned no new token but an earlier one, after these failures. `isFirst`: for the first time since the
  /// newest token came.
  case returnedAgain(TokenTimes, after: FailureStreak?, isFirst: Bool)
  /// The newest token, which has not expired, is not accepted any more.
  case rejected(AcquisitionFailure)
  /// Attempts fail now, or fail in another way than before.
  case failing(AcquisitionFailure, next: BootTime)
  /// Attempts still fail with the same code: a line for debugging only.
  case stillFailing(AcquisitionFailure, next: BootTime)
  /// The token in the files expired without a successor.
  case expired
  /// The newest token cannot be written to its files.
  case publicationFailing(String)
  /// The token has expired and cannot be removed from its files.
  case removalFailing(String)
  /// The newest token is in its files again.
  case publicationRecovered
  /// A file was modified externally and written again.
  case republished
}

/// Failed attempts in a row.
public struct FailureStreak: Hashable, Sendable {
  /// The last failure.
  public var failure: AcquisitionFailure
  /// How many attempts failed in a row.
  public var count: Int
  /// When the first of them failed.
  public var since: BootTime
}
