import Base
internal import CCurl
import Glibc
import Synchronization

/// The thread that drives all transfers of one client. It starts with the first transfer and ends when no transfer has
/// come for `linger`.
///
/// Only this thread uses libcurl's handles. Other threads put their requests into the inbox and wake it.
final class TransferLoop: Sendable {
  typealias Completion = @Sendable (Result<HTTPResponse, HTTPFailure>) -> Void

  /// The time that the thread waits for the next transfer before it ends.
  private let linger: Duration

  private struct Arrival: Sendable {
    let id: UInt64
    let request: PreparedRequest
    let completion: Completion
  }

  /// Why it is `Sendable`: only `curl_multi_wakeup` is called through it, and only while the inbox is locked. libcurl
  /// allows this call from any thread. Before the thread destroys the handle, it takes it out of the inbox under the
  /// same lock.
  private struct Waker: @unchecked Sendable {
    let multi: UnsafeMutableRawPointer
  }

  private struct Inbox: Sendable {
    var isRunning = false
    var isRetired = false
    var lastID: UInt64 = 0
    var waker: Waker?
    var arrivals: [Arrival] = []
    var cancellations: [UInt64] = []

    func wake() {
      if let waker { curl_multi_wakeup(waker.multi) }
    }
  }

  private let inbox = Mutex(Inbox())

  /// The CA certificates of the connections. They are dropped with the connections.
  let authorities = AuthoritiesFiles()

  /// The result of libcurl's global initialization, once per process.
  private static let globalResult = ccurl_global_init()

  init(linger: Duration) {
    self.linger = linger
  }

  /// Makes an identifier for one transfer.
  func reserve() -> UInt64 {
    inbox.withLock {
      $0.lastID += 1
      return $0.lastID
    }
  }

  /// Starts a transfer. `completion` is called once, on the loop's thread, when the transfer has ended.
  func start(_ request: PreparedRequest, id: UInt64, completion: @escaping Completion) {
    let mustStart = inbox.withLock { inbox in
      inbox.arrivals.append(Arrival(id: id, request: request, completion: completion))
      inbox.wake()
      defer { inbox.isRunning = true }
      return !inbox.isRunning
    }
    if mustStart { startThread() }
  }

  /// Ends a transfer as `cancelled`. An unknown or ended transfer is ignored.
  func cancel(_ id: UInt64) {
    inbox.withLock { inbox in
      guard inbox.isRunning else { return }
      inbox.cancellations.append(id)
      inbox.wake()
    }
  }

  /// Makes the thread end without a wait, because no more transfers will come.
  func endLinger() {
    inbox.withLock { inbox in
      inbox.isRetired = true
      inbox.wake()
    }
  }

  private func startThread() {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    // libcurl resolves names on its own threads. A TLS handshake with its certificate checks stays below 64 KiB.
    pthread_attr_setstacksize(&attributes, 512 << 10)
    // The thread inherits this mask, and so do the threads that libcurl starts from it. They must not receive the
    // process's signals.
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    var thread = pthread_t()
    let loop = Unmanaged.passRetained(self)
    let code = pthread_create(
      &thread, &attributes,
      { context in
        guard let context else { return nil }
        let loop = Unmanaged<TransferLoop>.fromOpaque(context).takeRetainedValue()
        ccurl_name_thread("http")
        loop.run()
        return nil
      }, loop.toOpaque())
    if code != 0 {
      loop.release()
      abandon("cannot start a thread: \(SystemError.text(code))")
    }
  }

  /// Fails all transfers in the inbox, since no thread can do it.
  private func abandon(_ message: String) {
    let arrivals = inbox.withLock { inbox in
      defer {
        inbox.arrivals = []
        inbox.cancellations = []
        inbox.isRunning = false
        inbox.waker = nil
      }
      return inbox.arrivals
    }
    for arrival in arrivals { arrival.completion(.failure(HTTPFailure(reason: .other, message: message))) }
  }

  private func run() {
    guard Self.globalResult == CURLE_OK, let multi = curl_multi_init() else {
      return abandon("libcurl cannot be started: \(String(cString: curl_easy_strerror(Self.globalResult)))")
    }
    inbox.withLock { $0.waker = Waker(multi: multi) }
    drive(multi)
    curl_multi_cleanup(multi)
    authorities.removeAll()
    ccurl_return_free_memory()
  }

  private func drive(_ multi: UnsafeMutableRawPointer) {
    var transfers: [UInt64: Transfer] = [:]
    var idleSince = ContinuousClock.now
    while true {
      let (arrivals, cancellations) = takeInbox()
      for arrival in arrivals { begin(arrival, on: multi, among: &transfers) }
      for id in cancellations {
        guard let transfer = transfers.removeValue(forKey: id) else { continue }
        curl_multi_remove_handle(multi, transfer.easy)
        transfer.finish(cancelled: true)
      }
      var running: Int32 = 0
      curl_multi_perform(multi, &running)
      finishDone(on: multi, among: &transfers)

      if !transfers.isEmpty {
        idleSince = .now
        // libcurl shortens the wait to its own next timer. One second is the limit if it found no descriptor for
        // wake-ups.
        curl_multi_poll(multi, nil, 0, 1000, nil)
        continue
      }
      if !arrivals.isEmpty { idleSince = .now }
      let remaining = linger - (ContinuousClock.now - idleSince)
      if mayEnd(lingerIsOver: remaining <= .zero) { return }
      if remaining > .zero { curl_multi_poll(multi, nil, 0, Int32(remaining.wholeMilliseconds), nil) }
    }
  }

  private func takeInbox() -> ([Arrival], [UInt64]) {
    inbox.withLock { inbox in
      defer {
        inbox.arrivals = []
        inbox.cancellations = []
      }
      return (inbox.arrivals, inbox.cancellations)
    }
  }

  /// Decides under the lock whether the thread ends. A transfer that comes before the decision is taken. One that comes
  /// later starts a thread.
  private func mayEnd(lingerIsOver: Bool) -> Bool {
    inbox.withLock { inbox in
      guard inbox.arrivals.isEmpty, lingerIsOver || inbox.isRetired else { return false }
      inbox.isRunning = false
      inbox.waker = nil
      inbox.cancellations = []
      return true
    }
  }

  private func begin(
    _ arrival: Arrival, on multi: UnsafeMutableRawPointer, among transfers: inout [UInt64: Transfer]
  ) {
    do throws(HTTPFailure) {
      let transfer = try Transfer(arrival.request, id: arrival.id, completion: arrival.completion)
      let code = curl_multi_add_handle(multi, transfer.easy)
      guard code == CURLM_OK else {
        throw HTTPFailure(reason: .other, message: "libcurl: \(String(cString: curl_multi_strerror(code)))")
      }
      transfers[arrival.id] = transfer
    } catch {
      arrival.completion(.failure(error))
    }
  }

  private func finishDone(on multi: UnsafeMutableRawPointer, among transfers: inout [UInt64: Transfer]) {
    var queued: Int32 = 0
    while let message = curl_multi_info_read(multi, &queued) {
      guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
      let code = message.pointee.data.result
      let id = Transfer.id(of: easy)
      guard let transfer = transfers.removeValue(forKey: id) else { continue }
      curl_multi_remove_handle(multi, easy)
      transfer.finish(code)
    }
  }
}

extension Duration {
  /// Milliseconds, rounded up, from 1 to the maximum of a C `int`. For libcurl, 0 means no limit.
  var wholeMilliseconds: Int {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 1 }
    guard seconds < 2_000_000 else { return 2_000_000_000 }
    return max(1, Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
  }
}
