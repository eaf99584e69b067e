import Broker
import Glibc
import Logging
import Settings
import Systemd

/// The destination of the log.
enum LogDestination {
  /// The logger that the settings define: by default the journal under systemd, otherwise standard error.
  static func logger(_ settings: DaemonSettings) -> Logger {
    var logger = Logger(label: "konexus-tokend") { _ in handler(settings.logFormat) }
    logger.logLevel = settings.logLevel
    return logger
  }

  /// Logs each fault of the configuration. On standard error, it has the format of a compiler.
  static func report(_ faults: [Diagnostic], _ settings: DaemonSettings) {
    let handler = handler(settings.logFormat)
    guard !(handler is StderrLogHandler) else {
      for fault in faults { StandardError.write("\(fault)\n") }
      return
    }
    let logger = logger(settings)
    for fault in faults {
      var metadata: Logger.Metadata = ["message_id": "\(EventID.configurationBroken.rawValue)"]
      if let token = fault.token { metadata["token_name"] = "\(token)" }
      logger.error("\(fault)", metadata: metadata)
    }
  }

  private static func handler(_ format: DaemonSettings.LogFormat) -> any LogHandler {
    switch format {
    case .journal: JournalLogHandler(identifier: "konexus-tokend")
    case .text: StderrLogHandler()
    case .json: JSONLogHandler(stream: .standardOutput)
    case .auto: JournalStream.isConnected() ? JournalLogHandler(identifier: "konexus-tokend") : StderrLogHandler()
    }
  }
}
