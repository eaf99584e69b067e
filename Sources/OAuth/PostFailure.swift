import Base

/// Why a form that was sent to one of the server's endpoints brought nothing.
struct PostFailure: Error {
  var failure: AcquisitionFailure
  /// The answer's status; `nil` if there was none.
  private var status: Int?

  init(_ failure: AcquisitionFailure, status: Int? = nil) {
    self.failure = failure
    self.status = status
  }

  /// Whether the client's proof is what the server did not like, so that another may do. Some answer 400, 401 or 403 without an OAuth error.
  ///
  /// - Parameter isOneOfSeveralMethods: whether the proof's method was chosen among several: servers tell in various words that they do not take one.
  func concernsClientAuthentication(isOneOfSeveralMethods: Bool) -> Bool {
    switch failure.code {
    case .invalidClient: true
    case .rejected: [400, 401, 403].contains(status)
    case .unauthorizedClient, .oauthError: isOneOfSeveralMethods
    default: false
    }
  }
}
