internal import Logging

extension LogHandler {
  /// Everything known at `event`, sorted by key: the handler's metadata, then the provider's, then the event's own, the later winning.
  /// An error of the event is found as `error` and `error_type`.
  func allMetadata(of event: LogEvent) -> [(key: String, value: Logger.MetadataValue)] {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let own = event.metadata { all.merge(own) { $1 } }
    if let error = event.error {
      all["error"] = "\(error)"
      all["error_type"] = "\(String(reflecting: type(of: error)))"
    }
    return all.sorted { $0.key < $1.key }
  }
}
