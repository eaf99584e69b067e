import Base
import HTTP
import OAuth
import Settings
import Synchronization

/// Converts the steps of an attempt to steps of a check.
final class CheckProgress: Sendable {
  private struct State {
    var isConnected = false
    var isDiscovered = false
    var answer: AcquisitionStep.Answer?
    var keyCount = 0
    var document: AcquisitionStep.Document?
  }

  private let settings: TokenSettings
  /// Whether the token is sent to an API at the end.
  private let asksAPI: Bool
  private let report: @Sendable (CheckStep) -> Void
  /// Receives the URL of each request before its response.
  private let onRequest: @Sendable (String) -> Void
  private let state = Mutex(State())

  /// The remaining lifetime of a certificate, in seconds, that gives a warning.
  private static let shortCertificate = 14 * 86_400.0

  init(
    _ settings: TokenSettings, asksAPI: Bool, onRequest: @escaping @Sendable (String) -> Void,
    report: @escaping @Sendable (CheckStep) -> Void
  ) {
    self.onRequest = onRequest
    self.settings = settings
    self.asksAPI = asksAPI
    self.report = report
  }

  /// Processes a step of the attempt.
  func receive(_ step: AcquisitionStep) {
    switch step {
    case .requested(let url): onRequest(url)
    case .fetched(let document):
      let isFirst = state.withLock { state in
        defer { state.isConnected = true }
        if !state.isDiscovered { state.document = document }
        return !state.isConnected
      }
      if isFirst { connected(document) }
    case .discovered(let metadata):
      let document = state.withLock { state in
        state.isDiscovered = true
        return state.document
      }
      discovered(metadata, document)
    case .answered(let answer):
      state.withLock { $0.answer = answer }
      var details = [
        "expires_in: " + (answer.expiresIn.map { "\(Int($0)) s" } ?? "not in the response"),
        "scope: " + (answer.scope?.joined(separator: " ") ?? "not in the response: as requested"),
        "client authentication: \(answer.clientAuthentication.description)",
      ]
      if settings.secrets.count > 1 {
        details.append("client secret: the \(answer.clientAuthentication.secretIndex == 0 ? "first" : "second") of two")
      }
      report(
        self.step(
          .token, .ok, "\(answer.url) gave a Bearer token", details: details, took: answer.duration))
    case .keys(let count): state.withLock { $0.keyCount = count }
    }
  }

  /// Reports a token that was verified.
  func verified(_ verifiedToken: VerifiedToken) {
    let (answer, keys) = state.withLock { ($0.answer, $0.keyCount) }
    switch settings.verification {
    case .jwt:
      let isBound = answer?.token?.claims.contains { $0.name == "cnf" } ?? false
      report(
        step(
          .verification, isBound ? .warning : .ok,
          "the token is verified by one of the issuer's \(keys) keys",
          details: ClaimList.lines(answer?.token, failing: nil) + settings.exceptions + settings.replacements,
          remedy: isBound
            ? "the token is bound to a key (cnf, RFC 8705 section 3), so that an API accepts it only with that key: "
              + "request an unbound token, or give applications the certificate"
            : nil))
    case .introspection:
      report(
        step(
          .verification, .ok, "introspection reports the token as active, with the right claims",
          details: settings.exceptions + settings.replacements))
    case .none:
      report(
        step(
          .verification, .warning, "the token is NOT VERIFIED: verify = \"none\"",
          details: settings.exceptions + settings.replacements,
          remedy: "set verify to \"jwt\", or to \"introspection\" if the server has it"))
    }
  }

  /// Reports the failed step, and the later steps as skipped.
  func failed(_ failure: AcquisitionFailure) {
    let state = state.withLock { $0 }
    let name: CheckStep.Name
    var details: [String] = []
    if state.answer != nil {
      name = .verification
      details = ClaimList.lines(state.answer?.token, failing: failure.code)
    } else if state.isDiscovered || failure.code == .credentials {
      name = .token
    } else {
      name = Self.step(of: failure.code)
      reportReached(before: name)
    }
    report(step(name, .failed, failure.message, details: details, remedy: failure.remedy))
    var order: [CheckStep.Name] = [
      .dns, .connection, .tls, .discovery, .clock, .token, .verification, .refresh, .reader,
    ]
    if asksAPI { order.append(.api) }
    let reported: [CheckStep.Name] =
      state.isDiscovered
      ? [.dns, .connection, .tls, .discovery, .clock] : state.isConnected ? [.dns, .connection, .tls] : []
    guard let position = order.firstIndex(of: name) else { return }
    for later in order[(position + 1)...] where !reported.contains(later) {
      report(step(later, .skipped, CheckStep.notReached))
    }
  }

  /// Reports the steps that succeeded before a connection failed.
  private func reportReached(before name: CheckStep.Name) {
    guard !state.withLock({ $0.isConnected }) else { return }
    let address = Self.address(of: settings.locations.discovery ?? settings.issuer)
    if name != .dns { report(step(.dns, .ok, "\(address.host) has an address")) }
    if name == .tls { report(step(.connection, .ok, "\(address.host) port \(address.port) answers")) }
  }

  private func connected(_ document: AcquisitionStep.Document) {
    let response = document.response
    let address = Self.address(of: settings.locations.discovery ?? settings.issuer)
    let remote = response.remoteAddress ?? "an address"
    report(step(.dns, .ok, "\(address.host) is \(remote)", took: response.timings.nameLookup))
    report(step(.connection, .ok, "\(remote) port \(address.port) answers", took: response.timings.connect))
    guard let certificate = response.certificates.first else {
      report(step(.tls, .ok, "plain http to localhost"))
      return
    }
    let now = Moment.now().unix
    let left = certificate.notAfter.map { Double($0) - now }
    let isShort = left.map { $0 < Self.shortCertificate } ?? false
    let chain = response.certificates.map { "\($0.subject), signed by \($0.issuer)" }
    report(
      step(
        .tls, isShort ? .warning : .ok,
        "\(response.tlsVersion ?? "TLS"), the certificate is good"
          + (certificate.notAfter.map { " until \(Timestamp.full(Double($0), now: now))" } ?? ""),
        details: ["trusted by: \(settings.caFile ?? "the system's authorities")"] + chain,
        remedy: isShort ? "ask the server's operator to renew the certificate" : nil, took: response.timings.tls))
  }

  private func discovered(_ metadata: ServerMetadata, _ document: AcquisitionStep.Document?) {
    // A setting replaces the value in the document.
    func detail(_ name: String, _ url: String?) -> String {
      let isSet = settings.locations.named.contains { $0.name == name }
      return "\(name): \(url ?? "none")" + (isSet ? " (set in the config file)" : "")
    }
    var details = [detail("token_endpoint", metadata.tokenEndpoint), detail("jwks_uri", metadata.jwksURI)]
    if let methods = metadata.tokenEndpointAuthMethodsSupported {
      details.append("client authentication: \(methods.map { Printable.quoted($0) }.joined(separator: ", "))")
    }
    if let scopes = metadata.scopesSupported {
      details.append("scopes: \(scopes.prefix(10).map { Printable.quoted($0) }.joined(separator: ", "))")
    }
    if settings.verification == .introspection {
      details.append(detail("introspection_endpoint", metadata.introspectionEndpoint))
    }
    if settings.revokesOnStop { details.append(detail("revocation_endpoint", metadata.revocationEndpoint)) }
    let cannotRevoke = settings.revokesOnStop && metadata.revocationEndpoint == nil
    report(
      step(
        .discovery, cannotRevoke ? .warning : .ok, "\(document?.url ?? settings.issuer) is \(settings.issuer)'s",
        details: details,
        remedy: cannotRevoke
          ? "set revocation_endpoint if the server has one, or remove revoke_on_stop" : nil,
        took: document.map { $0.response.timings.firstByte }))
    reportForeignEndpoints(metadata)
    guard let document, let skew = document.skew else {
      report(step(.clock, .warning, "the server sends no Date, so that the clocks cannot be compared"))
      return
    }
    let seconds = abs(skew.seconds)
    guard seconds >= 1 else {
      report(step(.clock, .ok, "this host's clock and the server's agree to a second"))
      return
    }
    let remedy = "check this host's clock: date -u"
    // If the difference is larger than the leeway, a valid token looks expired or not yet valid.
    let outcome: CheckStep.Outcome = seconds >= 60 ? .failed : ClockSkew.isReported(skew) ? .warning : .ok
    report(step(.clock, outcome, ClockSkew.sentence(skew), remedy: outcome == .ok ? nil : remedy))
  }

  /// Reports endpoints that get the client's secret on another host than the issuer's. RFC 8414 allows them.
  private func reportForeignEndpoints(_ metadata: ServerMetadata) {
    let byCertificate = settings.clientCertificateFile != nil
    let endpoints = [
      ("token_endpoint", metadata.tokenEndpoint(byCertificate: byCertificate)),
      (
        "introspection_endpoint",
        settings.verification == .introspection ? metadata.introspectionEndpoint(byCertificate: byCertificate) : nil
      ),
      (
        "revocation_endpoint",
        settings.revokesOnStop ? metadata.revocationEndpoint(byCertificate: byCertificate) : nil
      ),
    ]
    let issuer = Self.address(of: settings.issuer).host
    let set = settings.locations.named.map(\.name)
    for case let (name, url?) in endpoints where Self.address(of: url).host != issuer && !set.contains(name) {
      let host = Self.address(of: url).host
      let problem = "\(name) is on \(host), not on the issuer's host \(issuer): the client secret goes there"
      report(
        step(
          .discovery, .warning, problem,
          remedy: "ask the operator of \(issuer) whether \(host) is part of the server"))
    }
  }

  private func step(
    _ name: CheckStep.Name, _ outcome: CheckStep.Outcome, _ summary: String, details: [String] = [],
    remedy: String? = nil, took duration: Duration? = nil
  ) -> CheckStep {
    CheckStep(
      name, outcome, summary, token: settings.name, details: details, remedy: remedy, took: duration)
  }

  private static func step(of code: FailureCode) -> CheckStep.Name {
    switch code {
    case .nameResolution: .dns
    case .connection, .proxy, .timeout: .connection
    case .tlsUnknownAuthority, .tlsExpired, .tlsNotYetValid, .tlsHostName, .tlsCAFile, .tlsClientCertificate, .tlsPin,
      .tlsOther:
      .tls
    default: .discovery
    }
  }

  private static func address(of issuer: String) -> (host: String, port: Int) {
    guard let endpoint = try? Endpoint(issuer) else { return (issuer, 443) }
    return (endpoint.host, endpoint.port)
  }
}

/// The header and claims of a token, each with a mark: verified, wrong, or not checked because an earlier one is wrong.
enum ClaimList {
  /// The order in which `AccessTokenVerifier` checks them.
  private static let order: [(name: String, codes: Set<FailureCode>)] = [
    ("alg", [.malformedToken, .algorithm]), ("typ", [.wrongType]), ("kid", [.unknownKey]), ("signature", [.signature]),
    ("iss", [.wrongIssuer]), ("aud", [.wrongAudience]), ("client_id", [.wrongClient]),
    ("iat", []), ("nbf", [.tokenNotYetValid]), ("exp", [.tokenExpired]), ("scope", [.missingScope]),
  ]

  /// One line per claim.
  ///
  /// - Parameter code: the failure; `nil` if there is none.
  static func lines(_ token: TokenInspection?, failing code: FailureCode?) -> [String] {
    guard let token else { return [] }
    let fault = code.flatMap { code in order.firstIndex { $0.codes.contains(code) } }
    // Another step failed, such as the request for the key set. No claim was checked.
    if code != nil, fault == nil { return [] }
    var lines: [String] = []
    for (index, entry) in order.enumerated() {
      let value =
        entry.name == "signature"
        ? "\(token.signatureByteCount) bytes"
        : (token.header + token.claims).first { $0.name == entry.name }?.json
      guard let value else { continue }
      let mark = fault.map { index < $0 ? "ok" : index == $0 ? "WRONG" : "not checked" } ?? "ok"
      lines.append("\(entry.name): \(String(value.prefix(100)))\(times(entry.name, value)): \(mark)")
    }
    return lines
  }

  private static func times(_ name: String, _ value: String) -> String {
    guard ["iat", "nbf", "exp"].contains(name), let seconds = Double(value) else { return "" }
    return ", \(Timestamp.full(seconds, now: Moment.now().unix))"
  }
}
