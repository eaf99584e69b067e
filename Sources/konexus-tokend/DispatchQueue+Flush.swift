import Dispatch

extension DispatchQueue {
  /// Waits until all that was put into this serial queue is done, but no longer than `limit`: the process is about to end.
  func flush(within limit: DispatchTimeInterval) {
    let end = DispatchWorkItem {}
    async(execute: end)
    _ = end.wait(timeout: .now() + limit)
  }
}
