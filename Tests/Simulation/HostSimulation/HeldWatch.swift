import Base
import Engine

/// What the simulation knows of the checks of one token, and of the reports about it.
struct HeldWatch {
  // MARK: The newest token

  /// Why the newest token is known to be rejected; `nil` if it is not.
  var invalid: FailureCode? { didSet { if invalid == nil { invalidSince = nil } } }
  /// Since when `invalid` is known.
  var invalidSince: Int64?
  /// When it was last found to be accepted again.
  var validatedAt = Int64.min
  /// Whether an application has reported it, and the API has not accepted it since.
  var isReported = false
  /// Whether it was reported, or is known to be rejected.
  var isBad: Bool { isReported || invalid != nil }
  /// Whether it was requested with other settings than those in effect, so that no server can check it.
  var isFormer = false
  /// When a check of it last gave no result.
  var lastLoss = Int64.min
  /// Since when a token has been held without a pause.
  var since: Int64
  /// When a token was last invalid before the newest one came.
  var formerInvalid: Int64?
  /// When a token was last invalid.
  var lastInvalid: Int64?
  /// How often a token was invalid, or the server returned an invalid one again.
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
  /// When something else could last have caused a request.
  var lastCause = Int64.min

  // MARK: Reports

  /// How many requests were caused by reports.
  var requested = 0
  /// How many of them since the last quiet hour.
  var series = 0
  var lastRequested: Int64?
  var lastReport: Int64?

  // MARK: Availability

  /// Nanoseconds of `CLOCK_MONOTONIC`, as an application counts them.
  var availability: (available: Int64, unavailable: Int64, hasToken: Bool, since: Int64)?

  init(at now: Int64) { since = now }
}
