import Base
import Broker
import Glibc
import Publication
import Report

extension StatusOptions {
  /// Passes the status to `take` again and again, until `take` succeeds or `patience` is over.
  ///
  /// - Throws: what the last attempt met; a hopeless refusal at once.
  func patiently<Result>(
    for patience: Duration, take: (StatusReport) throws(TokenReading.Refusal) -> Result
  ) throws(TokenReading.Refusal) -> Result {
    if getpid() == 1 { Self.endOnSignals() }
    let deadline = Moment.now().boot + patience
    var watch = StatusWatch(of: path)
    while true {
      watch.prepare()
      let left = deadline - Moment.now().boot
      do throws(TokenReading.Refusal) { return try take(look(isLast: left <= .zero)) } catch {
        if error.isHopeless || left <= .zero { throw error }
      }
      watch.pause(atMost: left)
    }
  }

  /// The status, judged now. Only the last look asks systemd why there is none.
  private func look(isLast: Bool) throws(TokenReading.Refusal) -> StatusReport {
    do throws(StatusFile.Unavailable) {
      return StatusReport(try StatusFile.find(in: path))
    } catch {
      let verdict = isLast ? verdict(error) : (error, 3)
      throw TokenReading.Refusal(problem: verdict.0.problem, remedy: verdict.0.remedy, code: verdict.1)
    }
  }

  /// The kernel ignores a signal without a handler for process 1, as in a container.
  private static func endOnSignals() {
    for number in [SIGTERM, SIGINT] { signal(number) { _exit(128 + $0) } }
  }
}
