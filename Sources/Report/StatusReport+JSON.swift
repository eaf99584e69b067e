import Base
import Files
import FoundationEssentials
public import Publication

extension StatusReport {
  /// The report as one JSON object with sorted members. Names and meanings are stable; members can be added.
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
      var startedAt: Double
      var stoppedAt: Double?
      var lastChange: Double

      init(_ status: BrokerStatus, _ daemonState: DaemonState) {
        isRunning = daemonState == .running
        pid = status.pid
        startedAt = status.startedAt
        stoppedAt = status.stoppedAt
        lastChange = status.writtenAt
      }
    }

    struct Token: Encodable {
      var name: String
      var state: String
      var grade: String
      var validForSeconds: Double?
      var expiresAt: Double?
      var nextAttempt: Double?
      var lastSuccess: Double?
      var failure: TokenStatus.Failure?
      var rejection: TokenStatus.Failure?
      var lastFailure: TokenStatus.Failure?
      var publicationFailure: String?
      var requests: Int
      var successes: Int
      var issuer: String
      var clientId: String
      var scope: [String]
      var clockSkewSeconds: Double?
      var availability: Availability?
      var apiUrl: String?
      var apiAcceptedAt: Double?
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
        expiresAt = status.expiresAt
        nextAttempt = status.nextAttempt
        lastSuccess = status.lastSuccess
        failure = status.failure
        rejection = status.rejection
        lastFailure = status.lastFailure
        publicationFailure = status.publicationFailure
        requests = status.requests
        successes = status.successes
        issuer = status.issuer
        clientId = status.clientID
        scope = status.scope
        clockSkewSeconds = status.clockSkew
        availability = token.availability.map(Availability.init)
        apiUrl = status.apiURL
        apiAcceptedAt = status.apiAcceptedAt
        reports = status.reports?.total ?? 0
        reportsRequested = status.reports?.requested ?? 0
        outputs = zip(status.outputs, token.files).map {
          Output(path: $0.path, format: $0.format, mode: $0.mode, file: $1)
        }
        notes = status.notes
      }
    }

    struct Availability: Encodable {
      var availableSeconds: Double
      var unavailableSeconds: Double
      var percent: Double
      var since: Double
      var longestGap: Gap?

      init(_ availability: TokenAvailability) {
        let totals = availability.totals
        availableSeconds = totals.available.seconds
        unavailableSeconds = totals.unavailable.seconds
        percent = Double(availability.hundredths) / 100
        since = availability.since
        longestGap = totals.longestGap.map {
          Gap(seconds: $0.length.seconds, startedAt: $0.startedAt, cause: $0.failure?.rawValue)
        }
      }
    }

    struct Gap: Encodable {
      var seconds: Double
      var startedAt: Double
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

/// JSON output of commands.
enum JSONText {
  /// One object with sorted members and a line break at the end. Characters that affect terminals are escaped.
  static func json(_ document: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let data = try? encoder.encode(document) else { return "{}\n" }
    return Printable.escapedJSON(String(decoding: data, as: UTF8.self), isDocument: true) + "\n"
  }
}
