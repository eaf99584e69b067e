import Crypto
import FoundationEssentials

/// Makes access tokens like those of Konexus' server, or with faults.
struct TokenMint {
  let state: ServerState

  /// Makes a token and stores it.
  func issue(to client: SandboxClient, scopes: [String], audiences: [String], faults: [Fault.Kind]) async throws
    -> String
  {
    let settings = state.settings
    let key = state.keys.current
    var header: JSON = [
      "alg": .string(key.algorithm.rawValue), "kid": .string(key.keyID), "x5t": .string(key.thumbprint),
      "typ": .string(settings.tokenType),
    ]
    var claims = claims(for: client, scopes: scopes, audiences: audiences, settings: settings)
    var signature: Fault.BadSignature?
    var isOpaque = settings.tokenForm == .opaque
    var replacement: String?
    for fault in faults {
      switch fault {
      case .setTokenHeader(let members): header.set(members)
      case .removeTokenHeader(let names): header.remove(names)
      case .setClaims(let members): claims.set(members)
      case .removeClaims(let names): claims.remove(names)
      case .shiftTimes(let seconds):
        for name in ["nbf", "iat", "exp"] { claims[name] = claims[name]?.integer.map { .integer($0 + seconds) } }
      case .signature(let kind): signature = kind
      case .opaqueToken: isOpaque = true
      case .replaceToken(let text): replacement = text
      default: break
      }
    }
    let token: String
    if let replacement {
      token = replacement
    } else if isOpaque {
      token = Self.random(bytes: 32)
    } else {
      token = try await sign(header: header, claims: claims, key: key, bad: signature)
    }
    state.withContents { contents in
      contents.counts.tokensIssued += 1
      if contents.issued.count >= ServerState.memory { contents.issued.removeFirst(ServerState.memory / 2) }
      contents.issued.append(.init(text: token, claims: claims, clientID: client.id))
    }
    return token
  }

  private func claims(for client: SandboxClient, scopes: [String], audiences: [String], settings: SandboxSettings)
    -> JSON
  {
    let now = Int64((ServerClock.unixTime + settings.clockSkew).rounded(.down))
    return [
      "iss": .string(settings.accessTokenIssuer ?? state.issuer), "nbf": .integer(now), "iat": .integer(now),
      "exp": .integer(now + settings.lifetime),
      "aud": audiences.count == 1 ? .string(audiences[0]) : .array(audiences.map { .string($0) }),
      "scope": settings.scopeForm == .array
        ? .array(scopes.map { .string($0) }) : .string(scopes.joined(separator: " ")),
      "client_id": .string(client.id), "sub": "5f0a3c1e-8a3e-4d0e-9b8b-2c1f6f0e1741", "tenantId": "1741",
      "globalTenantId": "9d0f8c9a-6a5b-4d0b-8e57-0d3f5a7c1741", "name": .string(client.name), "admin": false,
      "jti": .string(Self.random(bytes: 16, hex: true)),
    ]
  }

  private func sign(
    header: JSON, claims: JSON, key: SigningKey, bad: Fault.BadSignature?
  ) async throws -> String {
    var header = header
    switch bad {
    case BadSignature.none?: header["alg"] = "none"
    case .hs256WithPublicKey: header["alg"] = "HS256"
    case .unknownKey:
      let other = try await state.keys.unpublished()
      header["kid"] = .string(other.keyID)
      header["x5t"] = .string(other.thumbprint)
    default: break
    }
    let input = Base64URL.encode(header.text.utf8) + "." + Base64URL.encode(claims.text.utf8)
    let bytes = [UInt8](input.utf8)
    var signature: [UInt8]
    switch bad {
    case BadSignature.none?: signature = []
    case .hs256WithPublicKey:
      let secret = SymmetricKey(data: Data(key.publicKeyPEM.utf8))
      signature = [UInt8](HMAC<SHA256>.authenticationCode(for: bytes, using: secret))
    case .unknownKey, .unpublishedKey: signature = try await state.keys.unpublished().sign(bytes)
    case .corrupted:
      signature = try key.sign(bytes)
      signature[signature.count / 2] ^= 0x01
    case .truncated: signature = try key.sign(bytes).dropLast()
    case nil: signature = try key.sign(bytes)
    }
    return input + "." + Base64URL.encode(signature)
  }

  private typealias BadSignature = Fault.BadSignature

  /// Random text: base64url, or upper-case hex as IdentityServer's `jti`.
  static func random(bytes count: Int, hex: Bool = false) -> String {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    guard hex else { return Base64URL.encode(bytes) }
    return bytes.map { ($0 < 0x10 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined()
  }
}

extension JSON {
  /// Sets members. New ones are added in the order of their names.
  mutating func set(_ members: [String: JSON]) {
    for (name, value) in members.sorted(by: { $0.key < $1.key }) { self[name] = value }
  }

  /// Removes members.
  mutating func remove(_ names: [String]) {
    for name in names { self[name] = nil }
  }
}
