import Base
import FoundationEssentials
import HTTP

/// A successful token response (RFC 6749, 5.1).
struct TokenResponse {
  var accessToken: Secret
  /// Seconds; nil if the server states none, which does not mean unlimited.
  var expiresIn: Double?
  /// The granted scope; nil means "as requested" (RFC 6749, 5.1).
  var scope: [String]?

  /// - Parameters:
  ///   - status: The status of the response, for messages.
  ///   - tokenTypes: As in `TokenRequest.tokenTypes`.
  /// - Throws: `malformedAnswer` if it is not a token response. `unsendableToken` for a token that no header field can
  ///   have. `tokenType` for a token that is no Bearer token. `lifetime` for a token whose `expires_in` is not
  ///   positive.
  init(
    parsing body: [UInt8], status: Int = 200, tokenTypes: [String] = [TokenType.bearer]
  ) throws(AcquisitionFailure) {
    func malformed(_ fault: String) -> AcquisitionFailure {
      AcquisitionFailure(.malformedAnswer, "the token endpoint answered \(status) \(fault)")
    }
    guard let json = try? StrictJSON(document: body) else { throw malformed("with a body that is not a JSON object") }
    // The name is not shown, because it is a text of the server and can quote the token.
    guard json.duplicate == nil else { throw malformed("with a member that occurs twice in one object") }
    guard let token = json["access_token"]?.text, !token.isEmpty else { throw malformed("without an access_token") }
    if let fault = BearerToken.fault(in: token.utf8) {
      throw AcquisitionFailure(.unsendableToken, "the access_token cannot be sent in a header field: it \(fault)")
    }
    do throws(AcquisitionFailure) { try TokenType.check(json["token_type"], accepted: tokenTypes) } catch {
      throw error.without([Secret(token)])
    }
    if let lifetime = json["expires_in"] {
      // Some servers send the number as a string.
      guard let seconds = lifetime.number ?? lifetime.text.flatMap(Double.init), seconds.isFinite else {
        throw AcquisitionFailure(.lifetime, "the expires_in of the token endpoint's answer is not a number")
      }
      guard seconds > 0 else {
        throw AcquisitionFailure(
          .lifetime, "the token endpoint answered 200 with expires_in \(Int(max(seconds, -1e9)))")
      }
      expiresIn = min(seconds, 1e9)
    }
    if let texts = json["scope"]?.texts {
      scope = ScopeNames.parse(texts)
      guard scope != nil else { throw malformed("with \(ScopeNames.fault)") }
    }
    accessToken = Secret(token)
  }
}

/// An error response (RFC 6749, 5.2).
struct TokenErrorResponse: Decodable {
  var error: String
  var errorDescription: String?

  enum CodingKeys: String, CodingKey {
    case error
    case errorDescription = "error_description"
  }

  /// Returns nil if `body` is no error response.
  init?(parsing body: [UInt8]) {
    guard let parsed = try? JSONDecoder().decode(Self.self, from: Data(body)), !parsed.error.isEmpty else { return nil }
    self = parsed
  }

  /// A description of a wrong type must not hide the error.
  init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    error = try members.decode(String.self, forKey: .error)
    errorDescription =
      (try? members.decode(String.self, forKey: .errorDescription))
      ?? (try? members.decode([String].self, forKey: .errorDescription))?.joined(separator: "; ")
  }

  /// The failure that it means. Codes that no standard registers, such as `scope_invalid`, are rejections too.
  ///
  /// - Parameters:
  ///   - what: The endpoint, for the message.
  ///   - secrets: A text that quotes one of them is not shown.
  func failure(from what: String = "token", status: Int, retryAfter: Duration?, secrets: [Secret]) -> AcquisitionFailure
  {
    let code: FailureCode =
      switch error {
      // A 5xx is a temporary error of the server, with any code.
      case _ where status >= 500: .serverError
      case _ where status == 429: .tooManyRequests
      case "invalid_client": .invalidClient
      // 401 is for unknown clients (RFC 6749, 5.2). Keycloak uses another code with it.
      case "unauthorized_client" where status == 401: .invalidClient
      case "unauthorized_client": .unauthorizedClient
      case "invalid_scope", "scope_invalid", "invalid_target": .invalidScope
      // RFC 6749 defines these two for the authorization endpoint only. Servers use them here too.
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

  /// Whether the text quotes a secret, either as it is or as the request's form encodes it.
  private static func quotes(_ text: String, anyOf secrets: [Secret]) -> Bool {
    secrets.contains { secret in
      secret.count > 0
        && (text.contains(secret.exposed) || text.contains(FormEncoding.encoded(.secret(secret)).exposed))
    }
  }
}

/// The syntax of scopes.
enum ScopeNames {
  /// Splits texts at spaces into names.
  ///
  /// - Returns: Nil if a name has characters that RFC 6749, section 3.3 does not allow, or if the texts are longer than
  ///   64 KiB. The names reach the status file and terminals.
  static func parse(_ texts: [String]) -> [String]? {
    guard texts.reduce(0, { $0 + $1.utf8.count }) <= 65_536 else { return nil }
    let names = texts.flatMap { $0.split(separator: " ").map(String.init) }
    return names.allSatisfy { $0.utf8.allSatisfy(isAllowed) } ? names : nil
  }

  /// The end of a message about such a scope. It does not repeat the scope.
  static let fault = "a scope that is too long or has characters that RFC 6749, section 3.3 does not allow"

  /// scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21, 0x23...0x5b, 0x5d...0x7e: true
    default: false
    }
  }
}

/// The syntax of an access token. Applications put the token into a header line.
///
/// RFC 6750, 2.1 requires a `b64token`. Some servers use other visible ASCII characters. A header field can contain
/// these too (RFC 9110, 5.5).
public enum BearerToken {
  /// The maximum length in bytes.
  public static let longest = 65_536

  /// Whether these bytes are visible ASCII characters of acceptable length.
  public static func isValid(_ bytes: some Collection<UInt8>) -> Bool { fault(in: bytes) == nil }

  /// Why these bytes cannot be sent, as the end of a sentence about the token; nil if they can. It does not show them.
  static func fault(in bytes: some Collection<UInt8>) -> String? {
    if bytes.isEmpty { return "is empty" }
    if bytes.count > longest { return "is \(bytes.count) bytes long; at most \(longest) are accepted" }
    for (offset, byte) in bytes.enumerated() where !(0x21...0x7e).contains(byte) {
      let character =
        switch byte {
        case 0x20: "a space"
        case 0x0a, 0x0d: "a line break"
        case 0x80...: "a character outside ASCII"
        default: "a control character"
        }
      return "has \(character) at byte \(offset + 1)"
    }
    return nil
  }

  /// Whether this byte can be part of a `b64token`. Shells, systemd and file formats give it no special meaning.
  public static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "/"),
      UInt8(ascii: "="):
      true
    default: false
    }
  }
}
