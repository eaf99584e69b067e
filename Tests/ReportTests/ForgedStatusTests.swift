import Foundation
import Testing
@testable import Base
@testable import Engine
@testable import Files
@testable import Publication
@testable import Report

/// Forged values in each member of a status file. The tests find all members, also those of later versions.
@Suite struct ForgedStatusTests {
  /// The path of a value in a JSON document.
  typealias Place = [String]

  // MARK: Numbers

  static let numbers = [
    "1e300", "-1e300", "1e18", "-1e18", "9223372036854775807", "-9223372036854775808", "-1", "0", "1e400", "0.5",
    "-0.0",
    "2147483648", "1e13",
  ]

  @Test("whatever number stands in whatever member: the file is refused, or judged and printed without a crash")
  func numbers() throws {
    let whole = try document()
    var refused = 0
    var judged = 0
    for (place, value) in Self.leaves(of: whole) where value is NSNumber && place.last != "isReady" {
      for number in Self.numbers {
        let text = try Self.text(whole, with: number, at: place)
        guard let status = StatusDocument.parse(Secret(text)) else {
          refused += 1
          continue
        }
        judged += 1
        Self.exercise(status)
      }
    }
    #expect(refused > 100 && judged > 20, "\(refused), \(judged)")
  }

  @Test(
    "numbers that no daemon writes are refused wherever a person or the arithmetic would meet them",
    arguments: ["1e300", "-1e300", "1e13", "-1e13"])
  func refusesEveryTime(_ number: String) throws {
    let whole = try document()
    let times = Self.leaves(of: whole).map(\.place).filter {
      guard let name = $0.last else { return false }
      return ["clockSkew", "since", "sum"].contains(name) || name.hasSuffix("At") || name.hasPrefix("last")
        || name == "nextAttempt"
    }
    #expect(times.count >= 15, "\(times)")
    for place in times {
      #expect(StatusDocument.parse(Secret(try Self.text(whole, with: number, at: place))) == nil, "\(place)")
    }
  }

  @Test(
    "a clock of the year 9999 at the server, or of 1970 here, is a daemon's", arguments: [2.5e11, -2.5e11, 0, 1e-9])
  func takesStrangeClocks(_ skew: Double) throws {
    let text = try Self.text(try document(), with: "\(skew)", at: ["tokens", "0", "clockSkew"])
    let status = try #require(StatusDocument.parse(Secret(text)))
    Self.exercise(status)
  }

  // MARK: Texts

  private static let hostile =
    "\u{1B}]0;OWNED\u{7}\u{9B}31m\u{202E}\u{2066}\u{200B}\u{2028}\n  OK: 1 of 1 tokens in place\r\u{7F}"

  @Test("whatever text stands in whatever member: no terminal acts on it, and it begins no line")
  func texts() throws {
    let whole = try document()
    let places = Self.leaves(of: whole).filter { $0.value is String }.map(\.place)
    #expect(places.count > 20)
    let text = String(decoding: try JSONEncoder().encode(Self.hostile), as: UTF8.self)
    for place in places {
      guard let status = StatusDocument.parse(Secret(try Self.text(whole, with: text, at: place))) else { continue }
      for output in Self.exercise(status) {
        let plain = output.replacing(/\u{1B}\[[0-9;]+m/, with: "")
        #expect(
          plain.unicodeScalars.allSatisfy { $0 == "\n" || Printable.escaped(String($0)) == String($0) }, "\(place)")
        #expect(!plain.split(separator: "\n").contains { $0.hasPrefix("  OK") }, "\(place)")
      }
      for json in [StatusReport(Self.loaded(status)).json()] {
        #expect(
          json.unicodeScalars.allSatisfy { $0 == "\n" || Printable.escaped(String($0)) == String($0) }, "\(place)")
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(json.utf8)) }
      }
    }
  }

  @Test("a program that reads --json gets the characters themselves")
  func jsonKeepsTexts() throws {
    var status = try #require(StatusDocument.parse(Secret(try Self.text(try document(), with: "1", at: ["pid"]))))
    status.configuration = Self.hostile
    let json = StatusReport(Self.loaded(status)).json()
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(object["configuration"] as? String == Self.hostile)
  }

  // MARK: Forms

  @Test("a document that is cut, has a long line or is of another version is refused")
  func forms() throws {
    let bytes = Array(try Self.text(try document(), with: "1", at: ["pid"]).utf8)
    #expect(StatusDocument.parse(Secret(bytes)) != nil)
    for end in stride(from: 0, to: bytes.count, by: 7) { #expect(StatusDocument.parse(Secret(bytes[..<end])) == nil) }
    let long = #"{"name":""# + String(repeating: "a", count: 1 << 18) + "\"}\n"
    #expect(StatusDocument.parse(Secret(bytes.prefix { $0 != 0x0a } + Array("\n\(long)".utf8))) == nil)
    #expect(StatusDocument.parse(Secret(try Self.text(try document(), with: "2", at: ["version"]))) == nil)
    #expect(StatusDocument.parse(Secret([UInt8](repeating: 0x0a, count: 1 << 20))) == nil)
  }

  // MARK: The document

  /// Runs everything that a command does with a status.
  @discardableResult
  private static func exercise(_ status: BrokerStatus) -> [String] {
    let report = StatusReport(loaded(status))
    let coloured = TextStyle(isColoured: true, columns: 80)
    for token in report.tokens {
      _ = try? TokenFileReader.read(token, in: report, validFor: .seconds(3600))
    }
    return [TextStyle.plain, coloured].flatMap { style in
      [report.text(style, inDetail: true), report.text(style, inDetail: false), report.summary].map {
        $0.rendered(style)
      }
    } + [StatusProbe.live, .ready].map { "\($0.passes(report))" }
  }

  private static func loaded(_ status: BrokerStatus) -> LoadedStatus {
    LoadedStatus(status: status, directory: "/nonexistent", owner: 4242, modified: 0, isLocked: false)
  }

  /// A document with a value in each member.
  private func document() throws -> [String: Any] {
    let failure = TokenStatus.Failure(
      code: "dns", message: "no", remedy: "wait", kind: .transient, count: 1, since: 1_764_000_000)
    var token = TokenStatus(name: "river", issuer: "https://auth.example.com", clientID: "c")
    token.condition = .failing
    token.expiresAtBoot = 1 << 60
    token.expiresAt = 1_764_003_600
    token.nextAttempt = 1_764_001_000
    token.dueAtBoot = 1 << 60
    token.obtainedAt = 1_764_000_000
    token.failure = failure
    token.publicationFailure = "full"
    token.clockSkew = 7
    token.requests = 3
    token.successes = 2
    token.tally = RequestTally()
    token.lastSuccess = 1_764_000_000
    token.lastFailure = failure
    token.outputs = [.init(path: "/nonexistent/river.token", mode: "0640", format: "raw")]
    token.scope = ["tamarack"]
    token.requestedScope = ["tamarack"]
    token.audience = ["tamarack"]
    token.verification = .jwt
    token.caFile = "/ca.pem"
    token.notes = ["a note"]
    token.tally.lastSuccess = 1_764_000_000
    // With a gap that has ended and one that has not.
    let clock = Moment(boot: BootTime(seconds: 1), unix: 1_764_000_000, monotonic: BootTime(seconds: 1))
    var availability = Availability(hasToken: false, cause: .serverError, at: clock)
    for second in [100.0, 200] {
      let now = Moment(boot: clock.boot, unix: clock.unix + second, monotonic: clock.monotonic + .seconds(second))
      availability.record(hasToken: second == 100, cause: .nameResolution, at: now)
    }
    token.availability = availability
    let status = BrokerStatus(
      pid: 7, bootID: BootID.current, writtenAt: 1_764_000_000, startedAt: 1_763_999_000, isReady: true,
      configuration: "/etc/config.toml", reloads: 1, configurationProblem: "bad", tokens: [token],
      processStart: 5, stoppedAt: 1_764_000_000, writtenAtMonotonic: 201_000_000_000)
    let data = try JSONEncoder().encode(status)
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private static func leaves(of value: Any, at place: Place = []) -> [(place: Place, value: Any)] {
    switch value {
    case let object as [String: Any]: object.flatMap { leaves(of: $0.value, at: place + [$0.key]) }
    case let array as [Any]: array.enumerated().flatMap { leaves(of: $0.element, at: place + ["\($0.offset)"]) }
    default: [(place, value)]
    }
  }

  /// The document in the daemon's layout, with other JSON at one place.
  private static func text(_ document: [String: Any], with json: String, at place: Place) throws -> String {
    let mark = "0f1e2d3c-mark"
    func replaced(_ value: Any, _ rest: ArraySlice<String>) -> Any {
      guard let step = rest.first else { return mark }
      if var object = value as? [String: Any] {
        object[step] = replaced(object[step] ?? 0, rest.dropFirst())
        return object
      }
      if var array = value as? [Any], let index = Int(step) {
        array[index] = replaced(array[index], rest.dropFirst())
        return array
      }
      return value
    }
    var head = try #require(replaced(document, place[...]) as? [String: Any])
    let tokens = try #require(head["tokens"] as? [Any])
    head["tokens"] = [Any]()
    let start = String(decoding: try JSONSerialization.data(withJSONObject: head), as: UTF8.self)
      .replacingOccurrences(of: "\"tokens\":[]", with: "\"tokens\":[\n]")
    let lines = try tokens.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
    return start.replacingOccurrences(of: "[\n]", with: "[\n" + lines.joined(separator: ",\n") + "\n]")
      .replacingOccurrences(of: "\"\(mark)\"", with: json) + "\n"
  }
}
