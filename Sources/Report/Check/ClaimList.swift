import Base
import OAuth

/// A token's header and claims, each with a mark: verified, wrong, or not looked at because something before it was wrong.
enum ClaimList {
  /// The order in which `AccessTokenVerifier` looks at them.
  private static let order: [(name: String, codes: Set<FailureCode>)] = [
    ("alg", [.malformedToken, .algorithm]), ("typ", [.wrongType]), ("kid", [.unknownKey]), ("signature", [.signature]),
    ("iss", [.wrongIssuer]), ("aud", [.wrongAudience]), ("client_id", [.wrongClient]),
    ("iat", []), ("nbf", [.tokenNotYetValid]), ("exp", [.tokenExpired]), ("scope", [.missingScope]),
  ]

  /// A line each.
  ///
  /// - Parameter code: what is wrong; `nil` if nothing is.
  static func lines(_ token: TokenInspection?, failing code: FailureCode?) -> [String] {
    guard let token else { return [] }
    let fault = code.flatMap { code in order.firstIndex { $0.codes.contains(code) } }
    // A failure that is about no claim, such as a key set that cannot be fetched: nothing was looked at.
    if code != nil, fault == nil { return [] }
    var lines: [String] = []
    for (index, entry) in order.enumerated() {
      let value =
        entry.name == "signature"
        ? "\(token.signatureByteCount) bytes"
        : (token.header + token.claims).first { $0.name == entry.name }?.json
      guard let value else { continue }
      let mark = fault.map { index < $0 ? "ok" : index == $0 ? "WRONG" : "not looked at" } ?? "ok"
      lines.append("\(entry.name): \(String(value.prefix(100)))\(times(entry.name, value)): \(mark)")
    }
    return lines
  }

  private static func times(_ name: String, _ value: String) -> String {
    guard ["iat", "nbf", "exp"].contains(name), let seconds = Double(value) else { return "" }
    return ", \(Timestamp.full(seconds, now: Moment.now().unix))"
  }
}
