import Base
import Files
import FoundationEssentials
public import Publication

extension StatusReport {
  /// The report as one JSON object with sorted members: section JSON OUTPUT of konexus-tokend(8).
  public func json() -> String {
    let document = Document(
      grade: severity.label.lowercased(), exitCode: severity.rawValue, daemon: Document.Daemon(status, daemonState),
      configuration: status.configuration, configurationProblem: status.configurationProblem,
      isConfigurationChanged: status.isConfigurationChanged, tokens: tokens.map(Document.Token.init))
    return JSONText.json(document)
  }

  /// The JSON object for a status that is not available.
  public static func json(_ unavailable: StatusFile.Unavailable, isCritical: Bool = false) -> String {
    struct Failure: Encodable {
      var schemaVersion = JSONText.schemaVersion
      var grade: String
      var exitCode: Int32
      var error: String
      var remedy: String
    }
    let severity: Severity = isCritical ? .critical : .unknown
    return JSONText.json(
      Failure(
        grade: severity.label.lowercased(), exitCode: severity.rawValue, error: unavailable.problem,
        remedy: unavailable.remedy))
  }

  private struct Document: Encodable {
    var schemaVersion = JSONText.schemaVersion
    var grade: String
    var exitCode: Int32
    var daemon: Daemon
    var configuration: String
    var configurationProblem: String?
    var isConfigurationChanged: Bool
    var tokens: [Token]

    struct Daemon: Encodable {
      var isRunning: Bool
      var pid: Int32
      var startedAt: JSONTime?
      var stoppedAt: JSONTime?
      var lastChange: JSONTime?

      init(_ status: BrokerStatus, _ daemonState: DaemonState) {
        isRunning = daemonState == .running
        pid = status.pid
        startedAt = JSONTime(status.startedAt)
        stoppedAt = JSONTime(status.stoppedAt)
        lastChange = JSONTime(status.writtenAt)
      }
    }

    struct Token: Encodable {
      var name: String
      var state: String
      var grade: String
      var validForSeconds: Double?
      var expiresAt: JSONTime?
      var nextAttempt: JSONTime?
      var lastSuccess: JSONTime?
      var failure: Failure?
      var rejection: Failure?
      var lastFailure: Failure?
      var publicationFailure: String?
      var requests: Int
      var successes: Int
      var issuer: String
      var clientId: String
      var scope: [String]
      var clockSkewSeconds: Double?
      var availability: Availability?
      var apiUrl: String?
      var apiAcceptedAt: JSONTime?
      var reports: Int
      var reportsRequested: Int
      var outputs: [Output]
      var notes: [String]

      init(_ token: StatusReport.Token) {
        let status = token.status
        name = status.name
        state = token.health.rawValue
        grade = token.health.severity.label.lowercased()
        validForSeconds = token.remaining.map { max(0, $0.seconds) }
        expiresAt = JSONTime(status.expiresAt)
        nextAttempt = JSONTime(status.nextAttempt)
        lastSuccess = JSONTime(status.lastSuccess)
        failure = status.failure.map(Failure.init)
        rejection = status.rejection.map(Failure.init)
        lastFailure = status.lastFailure.map(Failure.init)
        publicationFailure = status.publicationFailure
        requests = status.requests
        successes = status.successes
        issuer = status.issuer
        clientId = status.clientID
        scope = status.scope
        clockSkewSeconds = status.clockSkew
        availability = token.availability.map(Availability.init)
        apiUrl = status.apiURL
        apiAcceptedAt = JSONTime(status.apiAcceptedAt)
        reports = status.reports?.total ?? 0
        reportsRequested = status.reports?.requested ?? 0
        outputs = zip(status.outputs, token.files).map {
          Output(path: $0.path, format: $0.format, mode: $0.mode, file: $1)
        }
        notes = status.notes
      }
    }

    struct Failure: Encodable {
      var code: String
      var message: String
      var remedy: String
      var kind: String
      var count: Int
      var since: JSONTime?

      init(_ failure: TokenStatus.Failure) {
        code = failure.code
        message = failure.message
        remedy = failure.remedy
        kind = failure.kind.rawValue
        count = failure.count
        since = JSONTime(failure.since)
      }
    }

    struct Availability: Encodable {
      var availableSeconds: Double
      var unavailableSeconds: Double
      var percent: Double
      var since: JSONTime?
      var longestGap: Gap?

      init(_ availability: TokenAvailability) {
        let totals = availability.totals
        availableSeconds = totals.available.seconds
        unavailableSeconds = totals.unavailable.seconds
        percent = Double(availability.hundredths) / 100
        since = JSONTime(availability.since)
        longestGap = totals.longestGap.map {
          Gap(seconds: $0.length.seconds, startedAt: JSONTime($0.startedAt), cause: $0.failure?.rawValue)
        }
      }
    }

    struct Gap: Encodable {
      var seconds: Double
      var startedAt: JSONTime?
      var cause: String?
    }

    struct Output: Encodable {
      var path: String
      var format: String
      var mode: String
      var file: FileAttributes
    }
  }
}

/// A time in JSON output, by RFC 3339 in UTC with milliseconds.
struct JSONTime: Encodable {
  private let text: String

  /// A time in seconds since 1970; `nil` if it is `nil`, or too far away for a date.
  init?(_ unix: Double?) {
    guard let unix, abs(unix) < 1e11 else { return nil }
    text = Timestamp.rfc3339(unix, milliseconds: true)
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

/// JSON output of commands.
enum JSONText {
  /// The version of all documents. It changes if a member is removed, or if the type or meaning of a member changes. It
  /// does not change if a member is added.
  static let schemaVersion = 1

  /// One object with sorted members and a line break at the end. Characters that affect terminals are escaped.
  static func json(_ document: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let data = try? encoder.encode(document) else { return "{}\n" }
    return Printable.escapedJSON(String(decoding: data, as: UTF8.self), isDocument: true) + "\n"
  }
}
