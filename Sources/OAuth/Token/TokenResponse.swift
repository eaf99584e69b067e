import Base
import FoundationEssentials
import HTTP

/// A token endpoint's good answer (RFC 6749, 5.1).
struct TokenResponse {
  var accessToken: Secret
  /// Seconds; `nil` if the server did not say, which does not mean "for ever".
  var expiresIn: Double?
  /// The granted scope; `nil` means "as asked" (RFC 6749, 5.1).
  var scope: [String]?

  /// - Throws: `malformedAnswer` for what is no such answer, `tokenType` for a token that is no bearer token, `lifetime` for one that
  ///   the server itself calls dead.
  init(parsing body: [UInt8]) throws(AcquisitionFailure) {
    guard !body.isEmpty else {
      throw AcquisitionFailure(.malformedAnswer, "the token endpoint answered 200 with an empty body")
    }
    guard let members = try? JSONDecoder().decode(Members.self, from: Data(body)) else {
      throw AcquisitionFailure(
        .malformedAnswer, "the token endpoint answered 200 with a body that is not a JSON object")
    }
    guard let token = members.accessToken?.text, !token.isEmpty else {
      throw AcquisitionFailure(.malformedAnswer, "the token endpoint answered 200 without an access_token")
    }
    guard BearerToken.isValid(token.utf8) else {
      throw AcquisitionFailure(
        .malformedToken, "the access_token is too long or has characters that RFC 6750 does not allow")
    }
    guard let type = members.tokenType?.text else {
      throw AcquisitionFailure(.tokenType, "the token endpoint's answer has no token_type")
    }
    guard type.lowercased() == "bearer" else {
      throw AcquisitionFailure(.tokenType, "the token_type is \(Printable.quoted(type)), not Bearer")
        .without([Secret(token)])
    }
    if let lifetime = members.expiresIn {
      // Some servers send the number as a string.
      guard let seconds = lifetime.number ?? lifetime.text.flatMap(Double.init), seconds.isFinite else {
        throw AcquisitionFailure(.lifetime, "the expires_in of the token endpoint's answer is not a number")
      }
      guard seconds > 0 else {
        throw AcquisitionFailure(
          .lifetime, "the token endpoint says that its token lives for \(Int(max(seconds, -1e9))) s")
      }
      expiresIn = min(seconds, 1e9)
    }
    if let texts = members.scope.flatMap({ $0.list ?? $0.text.map { [$0] } }) {
      scope = ScopeNames.parse(texts)
      guard scope != nil else {
        throw AcquisitionFailure(.malformedAnswer, "the token endpoint answered 200 with \(ScopeNames.fault)")
      }
    }
    accessToken = Secret(token)
  }

  private struct Members: Decodable {
    var accessToken: Loose?
    var tokenType: Loose?
    var expiresIn: Loose?
    var scope: Loose?

    enum CodingKeys: String, CodingKey {
      case accessToken = "access_token"
      case tokenType = "token_type"
      case expiresIn = "expires_in"
      case scope
    }
  }
}

/// A JSON value of whatever type a server made it.
enum Loose: Decodable {
  case text(String)
  case number(Double)
  case list([String])
  case other

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let list = try? container.decode([String].self) {
      self = .list(list)
    } else {
      self = .other
    }
  }

  var text: String? { if case .text(let text) = self { text } else { nil } }
  var number: Double? { if case .number(let number) = self { number } else { nil } }
  var list: [String]? { if case .list(let list) = self { list } else { nil } }
}

/// A token endpoint's refusal (RFC 6749, 5.2).
struct TokenErrorResponse: Decodable {
  var error: String
  var errorDescription: String?

  enum CodingKeys: String, CodingKey {
    case error
    case errorDescription = "error_description"
  }

  /// `nil` if `body` is no such answer.
  init?(parsing body: [UInt8]) {
    guard let parsed = try? JSONDecoder().decode(Self.self, from: Data(body)), !parsed.error.isEmpty else { return nil }
    self = parsed
  }

  /// A description of an odd type must not cost the error.
  init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    error = try members.decode(String.self, forKey: .error)
    let description = try? members.decode(Loose.self, forKey: .errorDescription)
    errorDescription = description.flatMap { $0.text ?? $0.list?.joined(separator: "; ") }
  }

  /// The failure it stands for. Codes that no standard registers (`scope_invalid`) are refusals as well.
  ///
  /// - Parameters:
  ///   - what: which endpoint it is of, for the message.
  ///   - secrets: a text that quotes one of them is not shown.
  func failure(from what: String = "token", status: Int, retryAfter: Duration?, secrets: [Secret]) -> AcquisitionFailure
  {
    let code: FailureCode =
      switch error {
      // Whatever it calls the error: a 5xx is trouble of the server's, which passes.
      case _ where status >= 500: .serverError
      case _ where status == 429: .tooManyRequests
      case "invalid_client": .invalidClient
      // 401 is for clients that are not known (RFC 6749, 5.2), whatever Keycloak calls it.
      case "unauthorized_client" where status == 401: .invalidClient
      case "unauthorized_client": .unauthorizedClient
      case "invalid_scope", "scope_invalid", "invalid_target": .invalidScope
      // RFC 6749 has these two for the authorization endpoint only; servers use them here too.
      case "server_error", "temporarily_unavailable": .serverBusy
      case "slow_down": .tooManyRequests
      default: .oauthError
      }
    func shown(_ text: String, to length: Int) -> String {
      Self.quotes(text, anyOf: secrets)
        ? "(a text that quotes the client secret)" : Printable.quoted(text, to: length)
    }
    let detail = errorDescription.map { ": " + shown($0, to: 160) } ?? ""
    return AcquisitionFailure(
      code, "the \(what) endpoint answered \(status) \(shown(error, to: 64))\(detail)", retryAfter: retryAfter)
  }

  /// Whether a server gave back a secret, as it is or as it stood in the request's form.
  private static func quotes(_ text: String, anyOf secrets: [Secret]) -> Bool {
    secrets.contains { secret in
      secret.count > 0
        && (text.contains(secret.exposed) || text.contains(FormEncoding.encoded(.secret(secret)).exposed))
    }
  }
}
