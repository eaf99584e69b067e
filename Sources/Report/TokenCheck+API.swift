import Base
import HTTP
import OAuth
import Settings

extension TokenCheck {
  /// Sends the token once to the API at `endpoint`, and reports whether the API accepts it.
  func ask(_ endpoint: Endpoint, for token: Secret) async -> CheckStep {
    let probe = ResourceProbe(url: endpoint.url, transport: settings.transport(as: userID), http: HTTPClient())
    let start = Moment.now().boot
    let outcome = await probe.send(token, timeout: settings.timeout)
    var step = Self.apiStep(outcome, of: endpoint, settings)
    step.seconds = (Moment.now().boot - start).seconds
    return step
  }

  /// The step for an outcome. The URL's query is not shown: it can be confidential.
  static func apiStep(
    _ outcome: ResourceProbe.Outcome, of endpoint: Endpoint, _ settings: TokenSettings
  ) -> CheckStep {
    let url = endpoint.origin + endpoint.path
    func step(_ outcome: CheckStep.Outcome, _ summary: String, _ details: [String] = [], remedy: String? = nil)
      -> CheckStep
    {
      CheckStep(.api, outcome, summary, token: settings.name, details: details, remedy: remedy)
    }
    switch outcome {
    case .accepted(let status):
      return step(
        .ok, "\(url) accepts the token: it answered \(status)",
        status == 403 ? ["with 403, the token is valid, and this client cannot use this URL"] : [])
    case .rejected(let error):
      let code = error.map { " \(Printable.quoted($0))" } ?? ""
      return step(
        .failed, "\(url) does not accept the token: it answered 401\(code)",
        ["an API can read a new signing key late: run the check again before you change anything"],
        remedy: AcquisitionFailure.apiRejection(of: url, error: error, transport: settings.transport).remedy)
    case .unknown(let reason):
      return step(
        .warning, "whether \(url) accepts the token is unknown: \(reason)",
        remedy: "set api_url to a URL that answers 2xx to a GET with a valid token")
    }
  }
}
