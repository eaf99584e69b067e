package import Base
import Cryptography
package import Engine

/// A line that an application sends to the socket for rejected tokens.
///
/// `rejected NAME sha256 HEX64`, or `refresh NAME`. One space separates the words.
package enum RejectionRequest: Hashable, Sendable {
  /// The API rejected the token with this digest.
  case rejected(name: String, digest: TokenDigest)
  /// A new token is requested.
  case refresh(name: String)

  /// The longest line in bytes, with its line break.
  package static let longest = 256

  /// The request of a line without its line break; `nil` if the line is none.
  ///
  /// A name is any word of printable ASCII. The daemon decides whether it is the name of a token.
  package init?(line: some Collection<UInt8>) {
    let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard words.count >= 2, !words[1].isEmpty, words[1].allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
    let name = String(decoding: words[1], as: UTF8.self)
    switch (String(decoding: words[0], as: UTF8.self), words.count) {
    case ("refresh", 2): self = .refresh(name: name)
    case ("rejected", 4):
      guard words[2].elementsEqual("sha256".utf8), let digest = TokenDigest(hex: words[3]) else { return nil }
      self = .rejected(name: name, digest: digest)
    default: return nil
    }
  }

  /// The line without its line break.
  package var line: String {
    switch self {
    case .rejected(let name, let digest): "rejected \(name) sha256 \(digest.hex)"
    case .refresh(let name): "refresh \(name)"
    }
  }
}

extension TokenDigest {
  /// The digest of a token.
  package init(of token: Secret) {
    self.init(bytes: token.withBytes { SHA256.digest(of: $0) })
  }

  /// The digest of the token itself, if this is that of the token with a line break, quotes or the scheme around it.
  ///
  /// Otherwise the answer would be "newer", and the application would read the same token again.
  func unwrapped(_ token: Secret?) -> TokenDigest {
    guard let token else { return self }
    let text = token.exposed
    let isWrapped = ["\(text)\n", "\(text)\r\n", "\"\(text)\"", "Bearer \(text)"].contains {
      TokenDigest(of: Secret($0)) == self
    }
    return isWrapped ? TokenDigest(of: token) : self
  }
}

extension RejectionRequest {
  /// The report that the API rejected a token.
  package static func rejected(name: String, token: Secret) -> RejectionRequest {
    .rejected(name: name, digest: TokenDigest(of: token))
  }
}

/// The daemon's answer to a `RejectionRequest`: one line.
package enum RejectionReply: Hashable, Sendable {
  /// `newer`: a newer token is in the file.
  case newer
  /// `requested`: a new token is requested.
  case requested
  /// `limited SECONDS`: the request is sent after so many seconds.
  case limited(seconds: Int)
  /// `rejected SECONDS CODE`: the authorization server rejects the client. The next attempt is after so many seconds.
  case rejected(seconds: Int, code: String)
  /// `unknown`: the daemon has no token of that name.
  case unknown
  /// `error TEXT`: the request was not understood.
  case error(String)

  /// The longest line in bytes, with its line break.
  package static let longest = 256

  /// The line without its line break.
  package var line: String {
    switch self {
    case .newer: "newer"
    case .requested: "requested"
    case .limited(let seconds): "limited \(seconds)"
    case .rejected(let seconds, let code): "rejected \(seconds) \(code)"
    case .unknown: "unknown"
    case .error(let text): "error \(text)"
    }
  }

  /// The reply of a line without its line break; `nil` if the line is none.
  ///
  /// Its texts come from the peer and can contain anything.
  package init?(line: String) {
    func rest(after word: String) -> Substring? { line.hasPrefix(word + " ") ? line.dropFirst(word.count + 1) : nil }
    if let text = rest(after: "error") {
      self = .error(String(text))
    } else if let text = rest(after: "limited"), let seconds = Self.seconds(text) {
      self = .limited(seconds: seconds)
    } else if let text = rest(after: "rejected") {
      let words = text.split(separator: " ", omittingEmptySubsequences: false)
      guard words.count == 2, let seconds = Self.seconds(words[0]), !words[1].isEmpty else { return nil }
      self = .rejected(seconds: seconds, code: String(words[1]))
    } else {
      switch line {
      case "newer": self = .newer
      case "requested": self = .requested
      case "unknown": self = .unknown
      default: return nil
      }
    }
  }

  /// A number of seconds that a daemon can send.
  private static func seconds(_ text: Substring) -> Int? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let seconds = Int(text) else { return nil }
    return seconds <= Int(longestWait) ? seconds : nil
  }

  /// A day, in seconds.
  private static let longestWait = 86_400.0
}

extension RejectionReply {
  /// The line for the engine's answer.
  package init(_ reply: ReportReply) {
    func seconds(_ wait: Duration) -> Int { Int(max(0, min(wait.seconds, Self.longestWait)).rounded(.up)) }
    switch reply {
    case .unknownToken: self = .unknown
    case .newerInPlace: self = .newer
    case .requested: self = .requested
    case .rateLimited(let wait): self = .limited(seconds: seconds(wait))
    case .rejectedByServer(let wait, let code): self = .rejected(seconds: seconds(wait), code: code.rawValue)
    }
  }
}
