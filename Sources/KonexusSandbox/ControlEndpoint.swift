import FoundationEssentials
import HTTPTypes
import HummingbirdCore
import NIOCore

/// The control endpoint: plain HTTP on 127.0.0.1, for demonstrations and for tests in other processes.
struct ControlEndpoint: Sendable {
  let state: ServerState
  let doors: Doors

  /// The functions of the endpoint: the answer to `GET /`.
  static let help = """
    GET    /counts                    how often things happened
    DELETE /counts                    set the counts to zero, empty the log of requests
    GET    /requests                  the log of requests
    GET    /tokens                    the tokens that were issued
    GET    /alerts                    the alerts that the API accepted
    GET    /faults                    the faults in force
    PUT    /faults                    an array of faults: these alone are in force from now on
    POST   /faults                    one fault more
    DELETE /faults                    no faults
    POST   /prepare-key               publish the key that signs after the next rotation
    POST   /rotate-keys?drop=true     sign with a new key; drop: publish it alone
    POST   /drop-old-keys             publish the current key alone
    POST   /secret?keep=true          the body, or a random text, is the client secret; keep: the old ones too
    POST   /lifetime?seconds=20       the life of tokens
    POST   /skew?seconds=-600         the server's clock against the machine's
    POST   /token-path?path=/moved    move the token endpoint
    POST   /spelling?form=capital     spell the API's envelope as documented, small or capital
    POST   /alternate-keys?on=true    every second key set lacks the key that signs
    POST   /reissue?way=countsDown    return the same token until it expires: countsDown, wholeLifetime or never
    POST   /key-set-etag?on=true      the key set has an ETag
    POST   /api-keys?cache=rejection  the API learns a key after it rejected it; seconds=N: keeps keys so long; none
    POST   /revoke?at=api             revoke the token in the body; at: the API alone rejects it
    POST   /down?seconds=5            refuse connections; without seconds until /up
    POST   /silent?seconds=5          leave attempts to connect without an answer
    POST   /up                        accept connections again
    POST   /client-certificate?name=  a certificate of the sandbox's CA for a client, and its key, in PEM
    POST   /access-token-issuer?name=http://adfs/trust  tokens have this iss, which the document announces (AD FS)
    POST   /discovery-path?path=/metadata  the discovery document is at this path alone
    POST   /hidden-metadata?names=introspection_endpoint,revocation_endpoint  the document lacks these members
    POST   /introspection-client?id=api    the only client that can introspect; the body is its secret
    POST   /x5t?on=true               client assertions must name a certificate (Entra ID, AD FS), the body in PEM
    A fault: {"kind": "status", "status": 503, "at": ["token"], "requests": 3, "seconds": 10}
    Kinds: \(Fault.Kind.names.joined(separator: ", "))
    Servers as they are in practice, each for one request:
      {"kind": "contentEncoding", "coding": "gzip", "at": ["token"], "requests": 1}
        coding: \(ContentCoding.allCases.map(\.rawValue).joined(separator: ", "))
      {"kind": "header", "name": "Content-Encoding", "value": "utf-8", "at": ["discovery"], "requests": 1}
      {"kind": "otherStatus", "status": 201, "at": ["token"], "requests": 1}
      {"kind": "otherStatus", "status": 204, "at": ["token"], "requests": 1}
      {"kind": "removeMembers", "names": ["token_type"], "at": ["token"], "requests": 1}
      {"kind": "setMembers", "members": {"token_type": "BearerToken"}, "at": ["token"], "requests": 1}
      {"kind": "removeClaims", "names": ["aud"], "requests": 1}
      {"kind": "replaceToken", "token": "42|opaque!token", "requests": 1}
      {"kind": "setClaims", "members": {"sub": 1741, "jti": 42, "client_id": 7}, "requests": 1}

    """

  func respond(_ request: Request, writer: consuming ResponseWriter) async throws {
    var body: [UInt8] = []
    for try await part in request.body { body += part.readableBytesView }
    let target = (request.head.path ?? "/").split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let query = target.count == 2 ? FormBody(target[1].utf8) : nil
    var status = 200
    let text: String
    do {
      text = try await perform(request.method.rawValue + " " + target[0], query: query, body: body)
    } catch let error as SandboxError {
      (status, text) = (400, error.description)
    } catch {
      (status, text) = (400, "\(error)")
    }
    let type = text.hasPrefix("{") || text.hasPrefix("[") ? "application/json" : "text/plain; charset=UTF-8"
    let bytes = ByteBuffer(string: text.hasSuffix("\n") || text.isEmpty ? text : text + "\n")
    let fields: HTTPFields = [.contentType: type, .contentLength: "\(bytes.readableBytes)"]
    try await writer.write(
      response: HTTPResponse(status: .init(code: status), headerFields: fields), body: .init(byteBuffer: bytes))
  }

  private func perform(_ action: String, query: FormBody?, body: [UInt8]) async throws -> String {
    switch action {
    case "GET /": return Self.help
    case "GET /counts": return try encode(state.withContents(\.counts))
    case "DELETE /counts": state.resetCounts()
    case "GET /requests": return try encode(state.withContents(\.requests))
    case "GET /tokens": return try encode(state.withContents { $0.issued.map(\.text) })
    case "GET /alerts": return try encode(state.withContents(\.alerts))
    case "GET /faults": return try encode(state.withContents { $0.faults.current(now: ServerClock.monotonic) })
    case "PUT /faults": setFaults(try decode([Fault].self, from: body), clearing: true)
    case "POST /faults": setFaults([try decode(Fault.self, from: body)], clearing: false)
    case "DELETE /faults": state.withContents { $0.faults.clear() }
    case "POST /rotate-keys":
      try await state.keys.rotate(dropOld: query?["drop"] == "true")
      return "signing with \(state.keys.current.keyID)"
    case "POST /prepare-key": return "prepared \(try await state.keys.prepare())"
    case "POST /drop-old-keys": state.keys.dropRetired()
    case "POST /alternate-keys":
      let isOn = try isOn(query)
      state.withContents { $0.settings.alternatesKeySets = isOn }
    case "POST /key-set-etag":
      let isOn = try isOn(query)
      state.withContents { $0.settings.keySetHasETag = isOn }
    case "POST /reissue":
      guard let way = query?["way"].flatMap(SandboxSettings.Reissue.init) else {
        throw SandboxError("give ?way=countsDown, ?way=wholeLifetime or ?way=never")
      }
      state.withContents { $0.settings.reissue = way }
    case "POST /api-keys":
      let cache: SandboxSettings.APIKeyCache
      switch query?["cache"] {
      case "none": cache = .none
      case "rejection": cache = .learnsFromRejection
      case nil: cache = .seconds(try seconds(query, atLeast: 0))
      default: throw SandboxError("give ?cache=rejection, ?cache=none or ?seconds=NUMBER")
      }
      state.withContents { $0.settings.apiKeyCache = cache }
      // From now on, the API has the present keys.
      _ = state.apiKeys(for: nil, isLook: true)
    case "POST /secret":
      let text = String(decoding: body, as: UTF8.self).filter { $0 != "\n" }
      return state.changeSecret(to: text.isEmpty ? nil : text, keepOld: query?["keep"] == "true")
    case "POST /lifetime":
      let seconds = try seconds(query, atLeast: 1)
      state.withContents { $0.settings.lifetime = Int64(seconds) }
    case "POST /skew":
      let seconds = try seconds(query, atLeast: -1e9)
      state.withContents { $0.settings.clockSkew = seconds }
    case "POST /token-path":
      guard let path = query?["path"], path.hasPrefix("/") else { throw SandboxError("give ?path=/...") }
      state.withContents { $0.settings.tokenPath = path }
    case "POST /spelling":
      guard let spelling = (query?["form"]).flatMap(SandboxSettings.Spelling.init) else {
        let names = SandboxSettings.Spelling.allCases.map(\.rawValue).joined(separator: ", ")
        throw SandboxError("give ?form=... with one of: \(names)")
      }
      state.withContents { $0.settings.spelling = spelling }
    case "POST /client-certificate":
      guard let name = query?["name"] else { throw SandboxError("give ?name=...") }
      let identity = try state.authority.issue(for: .client, names: [name])
      return identity.certificatePEM + identity.keyPEM
    case "POST /revoke":
      let token = String(decoding: body, as: UTF8.self).filter { $0 != "\n" }
      let isAtAPI = query?["at"] == "api"
      state.withContents { _ = isAtAPI ? $0.revokedAtAPI.insert(token) : $0.revoked.insert(token) }
    case "POST /down", "POST /silent":
      let seconds = query?["seconds"] == nil ? nil : try seconds(query, atLeast: 0)
      try await doors.close(for: seconds, silently: action == "POST /silent")
    case "POST /up": try await doors.open()
    default: try performForServers(action, query: query, body: body)
    }
    return "done"
  }

  private func setFaults(_ faults: [Fault], clearing: Bool) {
    state.withContents { contents in
      if clearing { contents.faults.clear() }
      for fault in faults { contents.faults.inject(fault, now: ServerClock.monotonic) }
    }
  }

  func isOn(_ query: FormBody?) throws -> Bool {
    guard let isOn = (query?["on"]).flatMap(Bool.init) else { throw SandboxError("give ?on=true or ?on=false") }
    return isOn
  }

  private func seconds(_ query: FormBody?, atLeast least: Double) throws -> Double {
    guard let seconds = query?["seconds"].flatMap(Double.init), seconds.isFinite, seconds >= least, seconds < 1e10
    else {
      throw SandboxError("give ?seconds=NUMBER")
    }
    return seconds
  }

  private func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  private func decode<Value: Decodable>(_ type: Value.Type, from body: [UInt8]) throws -> Value {
    do {
      return try JSONDecoder().decode(type, from: Data(body))
    } catch DecodingError.dataCorrupted(let context) {
      throw SandboxError(context.debugDescription)
    } catch DecodingError.keyNotFound(let key, _) {
      throw SandboxError("the fault lacks '\(key.stringValue)'")
    } catch DecodingError.typeMismatch(_, let context) {
      throw SandboxError("\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)")
    }
  }
}
