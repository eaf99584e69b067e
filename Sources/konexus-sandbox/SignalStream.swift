import Dispatch
import Glibc

/// Signals as they come, each once.
struct SignalStream {
  let signals: AsyncStream<CInt>
  private let sources: [any DispatchSourceSignal]

  init(_ numbers: [CInt]) {
    let (signals, continuation) = AsyncStream<CInt>.makeStream()
    self.signals = signals
    sources = numbers.map { number in
      // Dispatch reports a signal only if its default action is disabled.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield(number) }
      source.resume()
      return source
    }
  }
}
