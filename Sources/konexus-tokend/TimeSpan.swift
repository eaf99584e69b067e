import ArgumentParser
import Broker

/// A length of time on the command line: `30s`, `5m`, `1h30m`, or a number of seconds.
struct TimeSpan: ExpressibleByArgument {
  var duration: Duration

  init(_ duration: Duration) { self.duration = duration }

  init?(argument: String) {
    guard let duration = Duration(settingText: argument) else { return nil }
    self.duration = duration
  }

  var defaultValueDescription: String { "\(duration.components.seconds)s" }
}
