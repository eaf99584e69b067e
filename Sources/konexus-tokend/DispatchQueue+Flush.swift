import Dispatch

extension DispatchQueue {
  /// Waits until all that was put into this serial queue is done, but not beyond `limit`: the process is about to end.
  func flush(until limit: DispatchTime) {
    let end = DispatchWorkItem {}
    async(execute: end)
    _ = end.wait(timeout: limit)
  }
}
