/// The sandbox's answer to a request, before faults.
struct Answer: Sendable {
  var status = 200
  var headers: [(name: String, value: String)] = []
  var content: Content = .none
  /// Why the request was refused, for the log of requests.
  var refusal: String?
  /// The client authentication.
  var authentication: String?

  enum Content: Sendable {
    case none
    case json(JSON)
    case text(String, type: String)
  }

  static func json(_ value: JSON, status: Int = 200, headers: [(name: String, value: String)] = []) -> Answer {
    Answer(status: status, headers: headers, content: .json(value))
  }

  /// An error of RFC 6749, section 5.2.
  static func oauthError(_ code: String, status: Int = 400, because reason: String) -> Answer {
    Answer(
      status: status, headers: Self.noStore, content: .json(.object([.init("error", .string(code))])), refusal: reason)
  }

  /// The header fields that RFC 6749, section 5.1, requires for answers with tokens.
  static let noStore: [(name: String, value: String)] = [
    ("Cache-Control", "no-store, no-cache, max-age=0"), ("Pragma", "no-cache"),
  ]

  /// The body, and its content type if there is one.
  var body: (bytes: [UInt8], type: String?) {
    switch content {
    case .none: ([], nil)
    case .json(let value): ([UInt8](value.text.utf8), "application/json; charset=UTF-8")
    case .text(let text, let type): ([UInt8](text.utf8), type)
    }
  }
}

/// A request as the endpoints see it.
struct Incoming: Sendable {
  var method: String
  var path: String
  var query: String?
  var authorization: String?
  var contentType: String?
  var ifNoneMatch: String?
  var body: [UInt8]
  /// The client certificate of the TLS handshake, in DER. The client has proved that it has the key.
  var certificate: [UInt8]?

  /// The fields of a form body; nil if the body is not a form.
  var form: FormBody? {
    guard let type = contentType?.split(separator: ";").first,
      String(type).lowercased().filter({ $0 != " " }) == "application/x-www-form-urlencoded"
    else { return nil }
    return FormBody(body)
  }
}
