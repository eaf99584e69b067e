import Broker
import Glibc
import Logging
import Settings
import Systemd

/// Where the log goes.
enum LogDestination {
  /// A logger as the settings want it: to the journal under systemd, else lines on standard error.
  static func logger(_ settings: DaemonSettings) -> Logger {
    var logger = Logger(label: "konexus-tokend") { _ in handler(settings.logFormat) }
    logger.logLevel = settings.logLevel
    return logger
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
