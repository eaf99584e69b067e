import Base
import HTTP

extension AcquisitionFailure {
  /// This failure, with every occurrence of `secrets` in its message replaced.
  ///
  /// Messages quote the server's texts. The server knows the client's secret and the token, and any member of its
  /// response can contain them. Parts of a secret are replaced too, since messages are cut.
  func without(_ secrets: [Secret]) -> AcquisitionFailure {
    var copy = self
    copy.message = Self.redacted(message, secrets)
    // An endpoint's URL comes from the server too. A command with another URL would be wrong.
    if let url = request?.url, Self.redacted(url, secrets) != url { copy.request = nil }
    return copy
  }

  private static func redacted(_ message: String, _ secrets: [Secret]) -> String {
    let text = Array(message.utf8)
    var isSecret = [Bool](repeating: false, count: text.count)
    for secret in secrets {
      // The secret as it is, and the secret as a message shows it with escapes.
      let exposed = secret.exposed
      let forms = Set([exposed, Printable.escaped(exposed), Printable.escapedASCII(exposed, to: .max)])
      for form in forms { mark(Secret(form), in: text, &isSecret) }
    }
    guard isSecret.contains(true) else { return message }
    var shown: [UInt8] = []
    for index in text.indices {
      if !isSecret[index] {
        shown.append(text[index])
      } else if index == 0 || !isSecret[index - 1] {
        shown += Array("(secret)".utf8)
      }
    }
    return String(decoding: shown, as: UTF8.self)
  }

  /// The number of consecutive bytes that are too much of a secret to show.
  private static let tellingLength = 16
  /// Shorter secrets would replace ordinary words.
  private static let shortestSecret = 6

  private static func mark(_ secret: Secret, in text: [UInt8], _ isSecret: inout [Bool]) {
    let length = min(secret.count, tellingLength)
    guard length >= shortestSecret, text.count >= length else { return }
    secret.withBytes { bytes in
      // The parts are ordered by their first bytes, so that few of them are compared at each place.
      var starts: [UInt8: [Int]] = [:]
      for start in 0...(bytes.count - length) { starts[bytes[start], default: []].append(start) }
      for place in 0...(text.count - length) {
        for start in starts[text[place]] ?? []
        where text[place..<(place + length)].elementsEqual(bytes[start..<(start + length)]) {
          for index in place..<(place + length) { isSecret[index] = true }
          break
        }
      }
    }
  }
}

extension TokenRequest {
  /// All forms of the clients' secrets, and of other confidential values, in requests.
  var sensitive: [Secret] {
    confidential.flatMap { [$0, FormEncoding.encoded(.secret($0))] } + client.sensitive
      + (introspectionClient?.sensitive ?? [])
  }
}

extension AuthenticatedClient {
  /// All forms of the client's secrets in requests.
  fileprivate var sensitive: [Secret] {
    credentials.secrets.compactMap { $0 }.flatMap { secret in
      [secret, FormEncoding.encoded(.secret(secret))]
        + [BasicEncoding.rfc6749, .raw].map { encoding in
          BasicCredentials.authorization(clientID: id, secret: secret, encoding: encoding)
            .withBytes { Secret($0.dropFirst("Basic ".utf8.count)) }
        }
    }
  }
}
