public import Files

/// The file for node_exporter's textfile collector (`metrics_file`), replaced atomically. Holds no secret, so its place may be on a disk and
/// may belong to whoever collects.
public struct MetricsFile: Sendable {
  private var file: PublishedFile
  private var written: BrokerStatus?

  /// What has not changed is written again after so many seconds: an old file shows that the daemon ended. Less than
  /// the 15 s between two heartbeats, as one that comes a little early would be left out.
  private static let period = 10.0

  /// The file at `path`.
  public init(path: String) {
    file = PublishedFile(path: path, mode: 0o644, allowsPersistentStorage: true, isGuarded: false)
  }

  /// Writes what `status` says, unless the same was written just before.
  ///
  /// - Throws: `PublicationFailure`; the former content is in place then.
  public mutating func write(_ status: BrokerStatus) throws(PublicationFailure) {
    if var last = written, status.writtenAt >= last.writtenAt, status.writtenAt < last.writtenAt + Self.period {
      last.writtenAt = status.writtenAt
      if last == status { return }
    }
    try file.replace(with: Array(MetricsText.render(status).utf8))
    written = status
  }
}
