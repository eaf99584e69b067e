/// An answer as it is sent: the correct one, changed by the faults that affect the request.
struct FaultyAnswer: Sendable {
  /// How the body is sent to the client.
  enum Delivery: Sendable {
    case whole
    case drip(bytes: Int, seconds: Double)
    case dripAll(bytes: Int, seconds: Double)
    case half
    case endless
    case huge(mebibytes: Int)
    case rawBytes([UInt8])
    case reset
    case close
    case hang
  }

  var status: Int
  var headers: [(name: String, value: String)]
  var body: [UInt8]
  var delivery = Delivery.whole
  /// The seconds to wait before the answer.
  var delay: Double = 0

  /// - Parameter now: Unix time by the server's clock, for dates.
  init(_ answer: Answer, faults: [Fault.Kind], now: Double) {
    let answer = faults.reduce(into: answer) { $0.alter(by: $1) }
    let (bytes, type) = answer.body
    status = answer.status
    headers = answer.headers
    body = bytes
    if let type { headers.append(("Content-Type", type)) }
    for fault in faults { apply(fault, now: now) }
  }

  private mutating func apply(_ fault: Fault.Kind, now: Double) {
    switch fault {
    case .reset: delivery = .reset
    case .close: delivery = .close
    case .hang: delivery = .hang
    case .rawBytes(let text): delivery = .rawBytes(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    case .status(let status, let headers, let body):
      replace(status: status, body: body, type: body.isEmpty ? nil : "text/plain")
      for (name, value) in headers.sorted(by: { $0.key < $1.key }) { set(name, value) }
    case .retryAfter(let status, let after):
      replace(status: status, body: "", type: nil)
      set("Retry-After", after.text(now: now))
    case .oauthError(let code, let status):
      let error = JSON.object([.init("error", .string(code))])
      replace(status: status, body: error.text, type: "application/json; charset=UTF-8")
    case .redirect(let location):
      replace(status: 302, body: "", type: nil)
      set("Location", location)
    case .html:
      replace(status: 200, body: "<!DOCTYPE html>\n<title>Sign in to the guest network</title>\n", type: "text/html")
    case .empty: replace(status: 200, body: "", type: nil)
    case .body(let text, let type): replace(status: 200, body: text, type: type)
    case .huge(let mebibytes):
      replace(status: 200, body: "", type: "application/json")
      delivery = .huge(mebibytes: mebibytes)
    case .endless:
      replace(status: 200, body: "", type: "application/json")
      delivery = .endless
    case .gzipBomb(let mebibytes):
      replace(status: 200, body: "", type: "application/json")
      set("Content-Encoding", "gzip")
      body = GzipBomb.bytes(mebibytes: mebibytes)
    case .headerFlood(let fields):
      let filling = String(repeating: "x", count: 1000)
      headers += (0..<fields).map { ("X-Flood-\($0)", filling) }
    case .contentType(let type): set("Content-Type", type)
    case .header(let name, let value): set(name, value)
    case .otherStatus(let status):
      self.status = status
      if [204, 205, 304].contains(status) { body = [] }
    case .contentEncoding(let coding):
      body = coding.encode(body)
      set("Content-Encoding", coding.field)
    case .torn: body = [UInt8](body.prefix(body.count / 2))
    case .delay(let seconds): delay += seconds
    case .drip(let bytes, let seconds): delivery = .drip(bytes: max(1, bytes), seconds: seconds)
    case .dripAll(let bytes, let seconds): delivery = .dripAll(bytes: max(1, bytes), seconds: seconds)
    case .halfBody: delivery = .half
    case .lostResponse(let status?): replace(status: status, body: "", type: nil)
    case .lostResponse(nil): delivery = .reset
    default: break
    }
  }

  private mutating func replace(status: Int, body: String, type: String?) {
    self.status = status
    self.body = [UInt8](body.utf8)
    headers = type.map { [("Content-Type", $0)] } ?? []
  }

  private mutating func set(_ name: String, _ value: String) {
    headers.removeAll { $0.name.lowercased() == name.lowercased() }
    headers.append((name, value))
  }
}

extension Fault.Kind {
  /// Whether another program answers in place of the endpoint, as a proxy does. Then the request has no effect there.
  var isAnsweredElsewhere: Bool {
    switch self {
    case .reset, .close, .hang, .rawBytes, .status, .retryAfter, .oauthError, .redirect, .html, .empty, .body, .huge,
      .endless, .gzipBomb:
      true
    default: false
    }
  }
}

extension Answer {
  /// Applies the faults that change the JSON of an answer.
  fileprivate mutating func alter(by fault: Fault.Kind) {
    guard case .json(var value) = content else { return }
    switch fault {
    case .setMembers(let members): value.set(members)
    case .removeMembers(let names): value.remove(names)
    case .insecureEndpoints: value.makeEndpointsInsecure()
    case .setKeyMembers(let members): value.alterKeys { keys in for index in keys.indices { keys[index].set(members) } }
    case .removeKeyMembers(let names):
      value.alterKeys { keys in for index in keys.indices { keys[index].remove(names) } }
    case .extraKeys(let extra): value.alterKeys { $0 = extra + $0 }
    default: return
    }
    content = .json(value)
  }
}

extension JSON {
  fileprivate mutating func makeEndpointsInsecure() {
    for member in members ?? [] where member.name != "issuer" {
      guard let address = member.value.string, address.hasPrefix("https://") else { continue }
      self[member.name] = .string("http" + address.dropFirst(5))
    }
  }

  fileprivate mutating func alterKeys(_ change: (inout [JSON]) -> Void) {
    guard var keys = self["keys"]?.array else { return }
    change(&keys)
    self["keys"] = .array(keys)
  }
}

extension Fault.RetryAfter {
  fileprivate func text(now: Double) -> String {
    switch self {
    case .seconds(let seconds): "\(seconds)"
    case .date(let seconds): HTTPDate.text(unixTime: now + Double(seconds))
    case .text(let text): text
    }
  }
}
