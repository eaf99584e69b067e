import Foundation
import Testing
@testable import Base
@testable import Engine
@testable import Files
@testable import Publication
@testable import Report

/// The output of `--json` has exactly the members that section JSON OUTPUT of konexus-tokend(8) describes.
@Suite struct JSONOutputTests {
  /// A member as the manual describes it.
  private struct Member: Hashable {
    var path: String
    var type: String
    var isOptional: Bool
  }

  /// The rows of the table below a heading.
  private static func members(_ heading: String) throws -> [Member] {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appendingPathComponent("systemd/man/konexus-tokend.8.scd"), encoding: .utf8)
    let lines = page.replacing("\\", with: "").split(separator: "\n").map(String.init)
    let start = try #require(lines.firstIndex(of: "## \(heading)"))
    let section = lines[(start + 1)...].prefix { !$0.hasPrefix("#") }
    return zip(section, section.dropFirst()).compactMap { name, type in
      guard name.hasPrefix("|  ") else { return nil }
      let parts = type.dropFirst(3).split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      return Member(path: String(name.dropFirst(3)), type: parts.first ?? "", isOptional: parts.contains("optional"))
    }
  }

  /// A JSON value. `JSONDecoder` takes no number for a boolean, and no boolean for a number.
  private enum Value: Decodable {
    case object([String: Value])
    case array([Value])
    case scalar(String)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let object = try? container.decode([String: Value].self) {
        self = .object(object)
      } else if let array = try? container.decode([Value].self) {
        self = .array(array)
      } else if let text = try? container.decode(String.self) {
        let isTime = text.wholeMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z/) != nil
        self = .scalar(isTime ? "time" : "string")
      } else if (try? container.decode(Bool.self)) != nil {
        self = .scalar("boolean")
      } else {
        self = .scalar((try? container.decode(Double.self)) != nil ? "number" : "null")
      }
    }

    var type: String {
      switch self {
      case .object: "object"
      case .array: "array"
      case .scalar(let type): type
      }
    }

    /// All members below this value with their types: `tokens[].name`.
    func members(at path: String = "") -> [(path: String, type: String)] {
      switch self {
      case .object(let object):
        object.sorted { $0.key < $1.key }.flatMap { name, value in
          let place = path.isEmpty ? name : "\(path).\(name)"
          return [(place, value.type)] + value.members(at: place)
        }
      case .array(let array): array.flatMap { $0.members(at: "\(path)[]") }
      case .scalar: []
      }
    }
  }

  /// Compares a document with a table. With `isComplete`, optional members must be there too.
  private static func check(_ json: String, _ heading: String, isComplete: Bool) throws {
    let documented = try members(heading)
    #expect(!documented.isEmpty)
    let types = Dictionary(documented.map { ($0.path, $0.type) }, uniquingKeysWith: { first, _ in first })
    #expect(types.count == documented.count, "a member has two rows")
    let document = try JSONDecoder().decode(Value.self, from: Data(json.utf8))
    // These two have the members of `failure`.
    let found = document.members().map { path, type in
      (path.replacing(/^tokens\[\]\.(rejection|last_failure)\./, with: "tokens[].failure."), type)
    }
    for (path, type) in found {
      #expect(types[path] == type, "\(path) is a \(type), documented: \(types[path] ?? "no")")
    }
    let paths = Set(found.map(\.0))
    for member in documented where isComplete || !member.isOptional {
      // A member of an object that is missing.
      let parent = member.path.split(separator: ".").dropLast().joined(separator: ".").replacing(/\[\]$/, with: "")
      if !isComplete, !parent.isEmpty, !paths.contains(parent) { continue }
      #expect(paths.contains(member.path), "\(member.path) is documented and missing")
    }
  }

  /// A status with a value in each member, one minute old.
  private func report(isFull: Bool) -> StatusReport {
    let now = Moment.now()
    let failure = TokenStatus.Failure(
      code: "dns", message: "no", remedy: "wait", kind: .transient, count: 1, since: now.unix - 9)
    var token = TokenStatus(name: "river", issuer: "https://auth.example.com", clientID: "c")
    token.outputs = [.init(path: "/proc/self/stat", mode: "0640", format: "raw")]
    if isFull {
      token.condition = .failing
      token.expiresAtBoot = (now.boot + .seconds(600)).nanoseconds
      token.expiresAt = now.unix + 600
      token.obtainedAt = now.unix - 600
      token.nextAttempt = now.unix + 60
      token.lastSuccess = now.unix - 600
      token.failure = failure
      token.rejection = failure
      token.lastFailure = failure
      token.publicationFailure = "full"
      token.clockSkew = 7
      token.scope = ["tamarack"]
      token.notes = ["a note"]
      token.apiURL = "https://api.example.com"
      token.apiAcceptedAt = now.unix - 60
      func past(_ seconds: Double) -> Moment {
        Moment(
          boot: now.boot - .seconds(seconds), unix: now.unix - seconds, monotonic: now.monotonic - .seconds(seconds))
      }
      var availability = Availability(hasToken: true, at: past(300))
      availability.record(hasToken: false, cause: .serverError, at: past(200))
      availability.record(hasToken: true, at: past(100))
      token.availability = availability
    }
    let status = BrokerStatus(
      pid: 7, bootID: BootID.current, writtenAt: now.unix - 1, startedAt: now.unix - 600, isReady: true,
      configuration: "/etc/config.toml", reloads: 1, configurationProblem: isFull ? "bad" : nil, tokens: [token],
      processStart: 5, stoppedAt: isFull ? now.unix : nil, writtenAtMonotonic: now.monotonic.nanoseconds)
    return StatusReport(
      LoadedStatus(
        status: status, directory: "/nonexistent", owner: 4242, modified: now.unix + 5, isLocked: !isFull),
      now: now)
  }

  @Test func statusWithEachMember() throws {
    try Self.check(report(isFull: true).json(), "konexus-tokend status --json", isComplete: true)
  }

  @Test func statusWithoutToken() throws {
    try Self.check(report(isFull: false).json(), "konexus-tokend status --json", isComplete: false)
  }

  @Test func statusThatIsNotAvailable() throws {
    let unavailable = StatusFile.Unavailable(problem: "no", remedy: "start it")
    try Self.check(
      StatusReport.json(unavailable), "konexus-tokend status --json without a status", isComplete: true)
  }

  @Test func check() throws {
    let steps = [
      CheckStep(.tls, .ok, "good", token: "river", details: ["a"], remedy: "none", took: .seconds(1)),
      CheckStep(.config, .failed, "bad"),
    ]
    try Self.check(CheckReport.json(steps), "konexus-tokend check --json", isComplete: true)
    try Self.check(CheckReport.json([steps[1]]), "konexus-tokend check --json", isComplete: false)
  }

  /// Times beyond the calendar, as a forged status can have them, are left out.
  @Test(arguments: [1e11, -1e12, .infinity, .nan])
  func timesOutOfRange(_ time: Double) {
    #expect(JSONTime(time) == nil)
  }

  @Test func timesHaveMilliseconds() throws {
    let time = try JSONEncoder().encode([JSONTime(1_764_000_000.25)])
    #expect(String(decoding: time, as: UTF8.self) == #"["2025-11-24T16:00:00.250Z"]"#)
  }
}
