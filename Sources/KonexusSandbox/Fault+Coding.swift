/// A fault in the form of the control endpoint: one flat JSON object.
///
/// `kind` names the fault. `at` (endpoints), `requests` and `seconds` are its limits. The other members are its
/// parameters: `{"kind": "status", "status": 503, "at": ["token"], "requests": 3}`.
extension Fault: Codable {
  fileprivate enum Key: String, CodingKey {
    case kind, at, requests, seconds
    case status, headers, body, code, location, type, name, value, members, names, keys, mebibytes, fields, coding
    case delay, bytes, every, shift, signature, token, after, afterDate, afterText, message
  }

  /// Reads a fault.
  /// - Throws: `DecodingError` that names an unknown kind, or the missing parameter.
  public init(from decoder: any Decoder) throws {
    let form = try decoder.container(keyedBy: Key.self)
    try self.init(
      Kind(form), at: form.decodeIfPresent(Set<SandboxEndpoint>.self, forKey: .at) ?? [],
      requests: form.decodeIfPresent(Int.self, forKey: .requests),
      seconds: form.decodeIfPresent(Double.self, forKey: .seconds))
  }

  /// Writes the fault in the form that can be read again.
  public func encode(to encoder: any Encoder) throws {
    var form = encoder.container(keyedBy: Key.self)
    try kind.encode(to: &form)
    if !endpoints.isEmpty { try form.encode(endpoints.sorted { $0.rawValue < $1.rawValue }, forKey: .at) }
    try form.encodeIfPresent(requests, forKey: .requests)
    try form.encodeIfPresent(seconds, forKey: .seconds)
  }
}

extension Fault.Kind {
  /// The names of all kinds, for messages.
  static let names = [
    "resetOnAccept", "hangOnAccept", "reset", "close", "hang", "rawBytes", "status", "retryAfter", "oauthError",
    "redirect", "html", "empty", "body", "huge", "endless", "gzipBomb", "headerFlood", "contentType", "header",
    "otherStatus", "contentEncoding", "torn",
    "setMembers", "removeMembers", "insecureEndpoints", "setKeyMembers", "removeKeyMembers", "extraKeys", "delay",
    "drip", "dripAll", "halfBody", "unsuccessful", "lostResponse",
    "setTokenHeader", "removeTokenHeader", "setClaims", "removeClaims", "shiftTimes", "signature", "replaceToken",
    "opaqueToken", "expiredToken", "tokenNotYetValid", "wrongAudience", "wrongTokenIssuer", "wrongClientID",
    "wrongTokenScope", "wrongTokenType", "wrongIssuer",
  ]

  fileprivate init(_ form: KeyedDecodingContainer<Fault.Key>) throws {
    func value<Value: Decodable>(_ key: Fault.Key, _ type: Value.Type = Value.self) throws -> Value {
      try form.decode(type, forKey: key)
    }
    func optional<Value: Decodable>(_ key: Fault.Key, _ type: Value.Type = Value.self) throws -> Value? {
      try form.decodeIfPresent(type, forKey: key)
    }
    let name: String = try value(.kind)
    switch name {
    case "resetOnAccept": self = .resetOnAccept
    case "hangOnAccept": self = .hangOnAccept
    case "reset": self = .reset
    case "close": self = .close
    case "hang": self = .hang
    case "rawBytes": self = .rawBytes(try value(.body))
    case "status":
      self = .status(try value(.status), headers: try optional(.headers) ?? [:], body: try optional(.body) ?? "")
    case "retryAfter":
      let after: Fault.RetryAfter =
        if let seconds: Int = try optional(.after) {
          .seconds(seconds)
        } else if let seconds: Int = try optional(.afterDate) {
          .date(inSeconds: seconds)
        } else {
          .text(try value(.afterText))
        }
      self = .retryAfter(status: try optional(.status) ?? 503, after)
    case "oauthError": self = .oauthError(try value(.code), status: try optional(.status) ?? 400)
    case "redirect": self = .redirect(try value(.location))
    case "html": self = .html
    case "empty": self = .empty
    case "body": self = .body(try value(.body), contentType: try optional(.type) ?? "application/json")
    case "huge": self = .huge(mebibytes: try value(.mebibytes))
    case "endless": self = .endless
    case "gzipBomb": self = .gzipBomb(mebibytes: try value(.mebibytes))
    case "headerFlood": self = .headerFlood(fields: try value(.fields))
    case "contentType": self = .contentType(try value(.type))
    case "header": self = .header(try value(.name), try value(.value))
    case "otherStatus": self = .otherStatus(try value(.status))
    case "contentEncoding": self = .contentEncoding(try value(.coding))
    case "torn": self = .torn
    case "setMembers": self = .setMembers(try value(.members))
    case "removeMembers": self = .removeMembers(try value(.names))
    case "insecureEndpoints": self = .insecureEndpoints
    case "setKeyMembers": self = .setKeyMembers(try value(.members))
    case "removeKeyMembers": self = .removeKeyMembers(try value(.names))
    case "extraKeys": self = .extraKeys(try value(.keys))
    case "delay": self = .delay(seconds: try value(.delay))
    case "drip": self = .drip(bytes: try optional(.bytes) ?? 1, every: try optional(.every) ?? 1)
    case "dripAll": self = .dripAll(bytes: try optional(.bytes) ?? 1, every: try optional(.every) ?? 1)
    case "halfBody": self = .halfBody
    case "unsuccessful":
      self = .unsuccessful(
        code: try optional(.code) ?? "InternalError",
        message: try optional(.message) ?? "The request could not be processed.")
    case "lostResponse": self = .lostResponse(status: try optional(.status))
    case "setTokenHeader": self = .setTokenHeader(try value(.members))
    case "removeTokenHeader": self = .removeTokenHeader(try value(.names))
    case "setClaims": self = .setClaims(try value(.members))
    case "removeClaims": self = .removeClaims(try value(.names))
    case "shiftTimes": self = .shiftTimes(seconds: try value(.shift))
    case "signature": self = .signature(try value(.signature))
    case "replaceToken": self = .replaceToken(try value(.token))
    case "opaqueToken": self = .opaqueToken
    case "expiredToken": self = .expiredToken
    case "tokenNotYetValid": self = .tokenNotYetValid
    case "wrongAudience": self = .wrongAudience
    case "wrongTokenIssuer": self = .wrongTokenIssuer
    case "wrongClientID": self = .wrongClientID
    case "wrongTokenScope": self = .wrongTokenScope
    case "wrongTokenType": self = .wrongTokenType
    case "wrongIssuer": self = .wrongIssuer
    default:
      throw DecodingError.dataCorruptedError(
        forKey: .kind, in: form,
        debugDescription: "no fault is called '\(name)'; there are: \(Self.names.joined(separator: ", "))")
    }
  }

  fileprivate func encode(to form: inout KeyedEncodingContainer<Fault.Key>) throws {
    func put(_ name: String, _ parameters: KeyValuePairs<Fault.Key, any Encodable> = [:]) throws {
      try form.encode(name, forKey: .kind)
      for (key, value) in parameters { try form.encode(value, forKey: key) }
    }
    switch self {
    case .resetOnAccept: try put("resetOnAccept")
    case .hangOnAccept: try put("hangOnAccept")
    case .reset: try put("reset")
    case .close: try put("close")
    case .hang: try put("hang")
    case .rawBytes(let text): try put("rawBytes", [.body: text])
    case .status(let status, let headers, let body):
      try put("status", [.status: status, .headers: headers, .body: body])
    case .retryAfter(let status, let after):
      switch after {
      case .seconds(let seconds): try put("retryAfter", [.status: status, .after: seconds])
      case .date(let seconds): try put("retryAfter", [.status: status, .afterDate: seconds])
      case .text(let text): try put("retryAfter", [.status: status, .afterText: text])
      }
    case .oauthError(let code, let status): try put("oauthError", [.code: code, .status: status])
    case .redirect(let location): try put("redirect", [.location: location])
    case .html: try put("html")
    case .empty: try put("empty")
    case .body(let text, let type): try put("body", [.body: text, .type: type])
    case .huge(let mebibytes): try put("huge", [.mebibytes: mebibytes])
    case .endless: try put("endless")
    case .gzipBomb(let mebibytes): try put("gzipBomb", [.mebibytes: mebibytes])
    case .headerFlood(let fields): try put("headerFlood", [.fields: fields])
    case .contentType(let type): try put("contentType", [.type: type])
    case .header(let name, let value): try put("header", [.name: name, .value: value])
    case .otherStatus(let status): try put("otherStatus", [.status: status])
    case .contentEncoding(let coding): try put("contentEncoding", [.coding: coding])
    case .torn: try put("torn")
    case .setMembers(let members): try put("setMembers", [.members: members])
    case .removeMembers(let names): try put("removeMembers", [.names: names])
    case .insecureEndpoints: try put("insecureEndpoints")
    case .setKeyMembers(let members): try put("setKeyMembers", [.members: members])
    case .removeKeyMembers(let names): try put("removeKeyMembers", [.names: names])
    case .extraKeys(let keys): try put("extraKeys", [.keys: keys])
    case .delay(let seconds): try put("delay", [.delay: seconds])
    case .drip(let bytes, let seconds): try put("drip", [.bytes: bytes, .every: seconds])
    case .dripAll(let bytes, let seconds): try put("dripAll", [.bytes: bytes, .every: seconds])
    case .halfBody: try put("halfBody")
    case .unsuccessful(let code, let message): try put("unsuccessful", [.code: code, .message: message])
    case .lostResponse(let status?): try put("lostResponse", [.status: status])
    case .lostResponse(nil): try put("lostResponse")
    case .setTokenHeader(let members): try put("setTokenHeader", [.members: members])
    case .removeTokenHeader(let names): try put("removeTokenHeader", [.names: names])
    case .setClaims(let members): try put("setClaims", [.members: members])
    case .removeClaims(let names): try put("removeClaims", [.names: names])
    case .shiftTimes(let seconds): try put("shiftTimes", [.shift: seconds])
    case .signature(let signature): try put("signature", [.signature: signature])
    case .replaceToken(let token): try put("replaceToken", [.token: token])
    case .opaqueToken: try put("opaqueToken")
    }
  }
}
