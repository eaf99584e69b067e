import Base
import Engine

/// What the simulation knows of the checks of one token, and of the reports about it.
struct HeldWatch {
  // MARK: The newest token

  /// Why it is known not to be accepted any more.
  var invalid: FailureCode? { didSet { if invalid == nil { invalidSince = nil } } }
  /// Since when.
  var invalidSince: Int64?
  /// When it was accepted again.
  var validatedAt = Int64.min
  /// Whether an application has reported it, and the API has not accepted it since.
  var isReported = false
  /// Whether something speaks against it.
  var isBad: Bool { isReported || invalid != nil }
  /// Whether it was requested with other settings than those in effect: no server can be asked about it.
  var isFormer = false
  /// When it was accepted, or a check of it began that brings no result, or one ended that said nothing.
  var lastLoss = Int64.min
  /// Since when a token has been held without a pause.
  var since: Int64
  /// When a token was invalid for the last time before the newest one came, and at all.
  var formerInvalid: Int64?
  var lastInvalid: Int64?
  /// How often a token was invalid, or the server returned it though it was.
  var setbacks = 0

  // MARK: Checks

  var lastProbe: Int64?
  var lastIntrospection: Int64?
  /// Whether the API of the present settings has accepted a token.
  var isProven = false
  /// The attempt whose token is tried at the API.
  var candidate: UInt64?
  /// When requests were sent for a withdrawn key alone.
  var sends: [Int64] = []
  /// When something else could last cause a request.
  var lastCause = Int64.min

  // MARK: Reports

  /// How many requests reports have caused, and how many of them since the last quiet hour.
  var requested = 0
  var series = 0
  var lastRequested: Int64?
  var lastReport: Int64?

  // MARK: Availability

  /// Nanoseconds of `CLOCK_MONOTONIC`, as an application counts them.
  var availability: (available: Int64, unavailable: Int64, hasToken: Bool, since: Int64)?

  init(at now: Int64) { since = now }
}
