import FoundationEssentials

@testable import Base
@testable import Broker
@testable import HTTP
@testable import OAuth
@testable import Settings

/// A reader of foreign bytes.
///
/// Whatever the bytes, it returns a value that keeps its invariants, or throws an error whose lines are printable.
enum FuzzTarget: String, CaseIterable {
  case configuration, discovery, token, jwt, jwks, peer, content

  /// Set once, before the first input, and only read by the one thread that reads inputs.
  nonisolated(unsafe) static var chosen = FuzzTarget.configuration

  private static let issuer = "https://auth.example/a"
  private static let time = 1_800_000_000.0
  private static let policy = AccessTokenPolicy(
    issuer: issuer, audience: ["tamarack"], clientID: "c", scopes: ["tamarack"])

  /// Reads one input; traps if it finds a fault.
  func read(_ bytes: [UInt8]) {
    switch self {
    case .configuration: Self.readConfiguration(bytes)
    case .discovery: Self.readDiscovery(bytes)
    case .token: Self.readAnswer(bytes)
    case .jwt: Self.readToken(bytes)
    case .jwks: Self.readKeys(bytes)
    case .peer: Self.readAddress(bytes)
    case .content: Self.readContent(bytes)
    }
  }

  /// Reads a configuration file. The files that it names do not exist, because their directory does not.
  private static func readConfiguration(_ bytes: [UInt8]) {
    do throws(ConfigurationErrors) {
      let settings = try Configuration.parse(
        Secret(bytes), path: "/nonexistent/config.toml",
        environment: RuntimeEnvironment(runtimeDirectory: "/run/konexus-tokend", userID: 0))
      precondition(!settings.tokens.isEmpty)
      for token in settings.tokens { precondition((try? Endpoint(token.issuer)) != nil) }
    } catch {
      precondition(!error.diagnostics.isEmpty)
      expectPrintable("\(error)", lines: true)
    }
  }

  private static func readDiscovery(_ bytes: [UInt8]) {
    readDiscovery(bytes, ServerLocations())
    // With settings, a document that lacks the members is accepted too.
    var locations = ServerLocations()
    (locations.tokenEndpoint, locations.jwksURI) = ("https://auth.example/t", "https://auth.example/k")
    readDiscovery(bytes, locations)
  }

  private static func readDiscovery(_ bytes: [UInt8], _ locations: ServerLocations) {
    do throws(AcquisitionFailure) {
      let parsed = try ServerMetadata(
        parsing: bytes, issuer: issuer, locations: locations, at: "https://auth.example/metadata")
      precondition(parsed.issuer == issuer)
      if let url = locations.tokenEndpoint { precondition(parsed.tokenEndpoint(byCertificate: true) == url) }
      let aliases = parsed.mtlsEndpointAliases
      let endpoints: [String?] = [
        parsed.tokenEndpoint, parsed.jwksURI, parsed.introspectionEndpoint, parsed.revocationEndpoint,
        aliases?.tokenEndpoint, aliases?.introspectionEndpoint, aliases?.revocationEndpoint,
      ]
      for endpoint in endpoints.compactMap({ $0 }) { precondition((try? Endpoint(endpoint)) != nil) }
    } catch {
      expectPrintable(error.message)
    }
  }

  /// What the token endpoint and the introspection endpoint answer.
  private static func readAnswer(_ bytes: [UInt8]) {
    for tokenTypes in [["Bearer"], []] {
      do throws(AcquisitionFailure) {
        let parsed = try TokenResponse(parsing: bytes, tokenTypes: tokenTypes)
        precondition(parsed.accessToken.withBytes { $0.allSatisfy { (0x21...0x7e).contains($0) } })
        precondition(parsed.expiresIn.map { $0 > 0 && $0 <= 1e9 } ?? true)
      } catch {
        expectPrintable(error.message)
      }
    }
    let secret = "no such"
    if let refusal = TokenErrorResponse(parsing: bytes)?.failure(
      status: 400, retryAfter: nil, secrets: [Secret(secret)])
    {
      expectPrintable(refusal.message)
      precondition(!refusal.message.contains(secret))
    }
    do throws(VerificationFailure) {
      let body = try ClaimsBody(TokenPart("introspection", bytes))
      guard let expiry = body.exp else { return }
      _ = try policy.check(introspected: body, grantedScope: nil, expiry: expiry, unixTime: time)
    } catch {
      expectPrintable(error.message)
    }
  }

  /// Reads the header and claims of a token, separated by NUL, then the whole input as a token.
  ///
  /// Header and claims are not encoded, because mutations of base64 reach nothing new.
  private static func readToken(_ bytes: [UInt8]) {
    let (first, second) = halves(bytes)
    do throws(VerificationFailure) {
      let header = try TokenHeader(json: first)
      try header.checkType(demandingAccessToken: false)
      let part = try TokenPart("claims set", second)
      try part.checkUnique()
      let claims = try policy.check(ClaimsBody(part), header: header, grantedScope: nil, unixTime: time)
      precondition(claims.scopes.contains("tamarack") && Double(claims.expiry) > time - 60)
      precondition(claims.audience.contains("tamarack"))
    } catch {
      expectPrintable(error.message)
    }
    readWithoutAudience(first, second)
    let encoded = [first, second, [1]].map { Base64URL.encode($0) }.joined(separator: ".")
    for token in [bytes, Array(encoded.utf8)] {
      do throws(VerificationFailure) {
        let shown = try TokenInspection(of: token)
        for member in shown.header + shown.claims {
          expectPrintable(member.name)
          expectPrintable(member.json)
        }
      } catch {
        expectPrintable(error.message)
      }
    }
  }

  /// The same if the settings expect no audience.
  private static func readWithoutAudience(_ header: [UInt8], _ claims: [UInt8]) {
    var policy = policy
    policy.audience = []
    do throws(VerificationFailure) {
      let body = try ClaimsBody(TokenPart("claims set", claims))
      let claims = try policy.check(body, header: TokenHeader(json: header), grantedScope: nil, unixTime: time)
      precondition(claims.audience.isEmpty)
    } catch {
      expectPrintable(error.message)
    }
  }

  /// Content in a coding that the first byte selects.
  private static func readContent(_ bytes: [UInt8]) {
    let name = bytes.first == UInt8(ascii: "g") ? "gzip" : "deflate"
    let coding = ContentCoding(HTTPHeaders([HTTPHeader("Content-Encoding", name)]))
    let limit = 1 << 16
    if case .content(let content) = coding.decode(Array(bytes.dropFirst()), limit: limit) {
      precondition(content.count <= limit)
    }
  }

  /// A key set, and behind a NUL a token that is verified by it.
  private static func readKeys(_ bytes: [UInt8]) {
    let (first, token) = halves(bytes)
    do throws(KeySetFailure) {
      let keys = try KeySet(parsing: first)
      precondition((1...KeySet.maximumKeys).contains(keys.count) && keys.skipped.count <= 10)
      for skipped in keys.skipped { expectPrintable(skipped.description) }
      // As the state file keeps it.
      guard let kept = try? JSONEncoder().encode(keys), let back = try? JSONDecoder().decode(KeySet.self, from: kept)
      else { preconditionFailure("a key set that cannot be kept") }
      precondition(back == keys)
      verify(token, keys)
    } catch {
      expectPrintable(error.message)
    }
  }

  private static func verify(_ token: [UInt8], _ keys: KeySet) {
    do throws(VerificationFailure) {
      _ = try AccessTokenVerifier.verify(token: token, keys: keys, policy: policy, grantedScope: nil, unixTime: time)
    } catch {
      expectPrintable(error.message)
    }
  }

  private static func readAddress(_ bytes: [UInt8]) {
    guard let peer = CredentialPeer(address: bytes) else { return }
    precondition(peer.unit.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "/") })
    precondition(peer.credential.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "/") })
    precondition(peer.unit.contains(".") && ![".", ".."].contains(peer.credential))
  }

  private static func halves(_ bytes: [UInt8]) -> ([UInt8], [UInt8]) {
    let middle = bytes.firstIndex(of: 0) ?? bytes.count
    return (Array(bytes[..<middle]), Array(bytes[middle...].dropFirst()))
  }

  private static func expectPrintable(_ text: String, lines: Bool = false) {
    let isPrintable = text.unicodeScalars.allSatisfy {
      ($0.value >= 0x20 && !(0x7f...0x9f).contains($0.value)) || (lines && $0 == "\n")
    }
    precondition(isPrintable, "not printable: \(text.debugDescription)")
  }
}
