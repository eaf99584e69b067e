import Testing
@testable import Base
@testable import Engine

@Suite struct RejectionReportsTests {
  static func digest(_ number: UInt64) -> TokenDigest {
    let digits = String(number, radix: 16)
    guard let digest = TokenDigest(hex: String(repeating: "0", count: 64 - digits.count) + digits) else {
      preconditionFailure("\(digits)")
    }
    return digest
  }

  static func at(_ seconds: Double) -> BootTime { BootTime(seconds: 1000 + seconds) }

  private let one = digest(1)
  private let two = digest(2)

  // MARK: Verdicts

  @Test func theFirstReportOfTheHeldTokenCausesARequestAtOnce() {
    var reports = RejectionReports()
    #expect(reports.handle(one, held: one, at: Self.at(0)) == .request)
    #expect(reports.deadline == nil)
  }

  @Test func aReportOfAnotherTokenMeansThatANewerOneIsInPlace() {
    var reports = RejectionReports()
    #expect(reports.handle(one, held: two, at: Self.at(0)) == .newerInPlace)
    // It neither causes nor delays a request.
    #expect(reports.handle(two, held: two, at: Self.at(0)) == .request)
  }

  @Test func withoutAHeldTokenAReportCausesARequest() {
    var reports = RejectionReports()
    #expect(reports.handle(one, held: nil, at: Self.at(0)) == .request)
    #expect(reports.handle(one, held: nil, at: Self.at(100)) == .requestUnderWay)
  }

  @Test func tenThousandReportsInASecondCauseOneRequest() {
    var reports = RejectionReports()
    for number in 0..<10_000 {
      let verdict = reports.handle(one, held: one, at: Self.at(Double(number) / 10_000))
      #expect(verdict == (number == 0 ? .request : .requestUnderWay))
    }
    #expect(reports.counts.total == 10_000 && reports.counts.requested == 1)
    #expect(reports.counts.newer == 0 && reports.counts.limited == 0)
  }

  @Test func tenThousandReportsOfEachSuccessorCauseOneRequestAndOneThatWaits() {
    var reports = RejectionReports()
    var held: UInt64 = 1
    for number in 0..<10_000 {
      let now = Self.at(Double(number) / 10_000)
      let verdict = reports.handle(Self.digest(held), held: Self.digest(held), at: now)
      if verdict == .request {
        held += 1
        reports.tokenArrived(Self.digest(held), at: now)
      } else {
        #expect(verdict == .rateLimited(until: Self.at(1)))
      }
    }
    #expect(reports.counts.requested == 1 && reports.counts.limited == 9_999)
    #expect(reports.deadline == Self.at(1))
  }

  @Test("reports join a request that has not brought a token yet", arguments: [0.5, 5, 1000, 3599])
  func joins(_ seconds: Double) {
    var reports = RejectionReports()
    _ = reports.handle(one, held: one, at: Self.at(0))
    #expect(reports.handle(one, held: one, at: Self.at(seconds)) == .requestUnderWay)
    reports.tokenArrived(two, at: Self.at(seconds))
    #expect(reports.handle(one, held: two, at: Self.at(seconds)) == .newerInPlace)
  }

  // MARK: Waits

  @Test(
    "the waits are 1, 2, 4 s and so on up to 30 min, for successors and for identical bytes", arguments: [true, false])
  func waits(_ areIdentical: Bool) {
    var reports = RejectionReports()
    var now = Self.at(0)
    var held = one
    #expect(reports.handle(held, held: held, at: now) == .request)
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800, 1800, 1800] {
      if !areIdentical { held = Self.digest(UInt64(wait) + 10) }
      reports.tokenArrived(held, at: now)
      #expect(reports.handle(held, held: held, at: now) == .rateLimited(until: now + .seconds(wait)))
      let last = now + .seconds(wait) - .nanoseconds(1)
      #expect(reports.handle(held, held: held, at: last) == .rateLimited(until: now + .seconds(wait)))
      now = now + .seconds(wait)
      #expect(reports.handle(held, held: held, at: now) == .request)
    }
  }

  @Test func theWaitIsThatAfterTheTokenOfASlowServer() {
    var reports = RejectionReports()
    _ = reports.handle(one, held: one, at: Self.at(0))
    reports.tokenArrived(two, at: Self.at(60))
    #expect(reports.handle(two, held: two, at: Self.at(60.5)) == .rateLimited(until: Self.at(61)))
    // A token that was requested for another reason changes nothing.
    reports.tokenArrived(one, at: Self.at(60.7))
    #expect(reports.handle(one, held: one, at: Self.at(60.8)) == .rateLimited(until: Self.at(61)))
  }

  @Test func aSuccessorThatIsReportedAfterItsWaitIsReplacedAtOnce() {
    var reports = RejectionReports()
    _ = reports.handle(one, held: one, at: Self.at(0))
    reports.tokenArrived(two, at: Self.at(0.2))
    #expect(reports.handle(two, held: two, at: Self.at(600)) == .request)
    reports.tokenArrived(one, at: Self.at(600.5))
    #expect(reports.handle(one, held: one, at: Self.at(600.6)) == .rateLimited(until: Self.at(602.5)))
  }

  @Test func anHourWithoutReportsEndsTheSeries() {
    for (quiet, isOver) in [(3599.0, false), (3600, true)] {
      var reports = RejectionReports()
      var now = Self.at(0)
      for number in 0..<12 {
        _ = reports.handle(Self.digest(UInt64(number)), held: Self.digest(UInt64(number)), at: now)
        reports.tokenArrived(Self.digest(UInt64(number) + 1), at: now)
        now = now + .seconds(1800)
      }
      let held = Self.digest(12)
      now = now - .seconds(1800) + .seconds(quiet)
      #expect(reports.handle(held, held: held, at: now) == .request)
      reports.tokenArrived(one, at: now)
      let next = now + (isOver ? .seconds(1) : .seconds(1800))
      #expect(reports.handle(one, held: one, at: now) == .rateLimited(until: next))
    }
  }

  @Test func reportsOfFormerTokensDoNotProlongTheSeries() {
    var reports = RejectionReports()
    for number in 0..<4 {
      _ = reports.handle(one, held: one, at: Self.at(Double(number) * 10))
      reports.tokenArrived(one, at: Self.at(Double(number) * 10))
    }
    for minute in 1..<61 { _ = reports.handle(two, held: one, at: Self.at(30 + Double(minute) * 60)) }
    _ = reports.handle(one, held: one, at: Self.at(3640))
    reports.tokenArrived(two, at: Self.at(3640))
    #expect(reports.handle(two, held: two, at: Self.at(3640)) == .rateLimited(until: Self.at(3641)))
  }

  // MARK: Deferred requests

  @Test func aReportThatMustWaitIsServedWhenItsWaitIsOver() {
    var reports = RejectionReports()
    _ = reports.handle(one, held: one, at: Self.at(0))
    reports.tokenArrived(two, at: Self.at(0.25))
    _ = reports.handle(two, held: two, at: Self.at(0.5))
    #expect(reports.deadline == Self.at(1.25))
    var isDue = reports.takeDueRequest(at: Self.at(1.24))
    #expect(!isDue)
    isDue = reports.takeDueRequest(at: Self.at(1.25))
    #expect(isDue && reports.deadline == nil && reports.counts.requested == 2)
    isDue = reports.takeDueRequest(at: Self.at(50))
    #expect(!isDue, "one report, one request")
    #expect(reports.handle(two, held: two, at: Self.at(1.5)) == .requestUnderWay)
  }

  @Test func anotherTokenMakesADeferredRequestNeedlessAndTheSameBytesDoNot() {
    for (arrived, isKept) in [(two, true), (one, false)] {
      var reports = RejectionReports()
      _ = reports.handle(one, held: one, at: Self.at(0))
      reports.tokenArrived(two, at: Self.at(0.1))
      _ = reports.handle(two, held: two, at: Self.at(0.2))
      reports.tokenArrived(arrived, at: Self.at(0.5))
      #expect((reports.deadline != nil) == isKept)
      let isDue = reports.takeDueRequest(at: Self.at(5))
      #expect(isDue == isKept)
    }
  }

  @Test func aRequestThatNamesNoTokenWaitsLikeAReport() {
    var reports = RejectionReports()
    #expect(reports.handleRefresh(held: one, at: Self.at(0)) == .request)
    #expect(reports.handleRefresh(held: one, at: Self.at(0.1)) == .requestUnderWay)
    reports.tokenArrived(two, at: Self.at(0.25))
    #expect(reports.handleRefresh(held: two, at: Self.at(0.3)) == .rateLimited(until: Self.at(1.25)))
    #expect(reports.handle(two, held: two, at: Self.at(0.4)) == .rateLimited(until: Self.at(1.25)))
    #expect(reports.counts.total == 4 && reports.counts.requested == 1 && reports.counts.limited == 2)
  }

  // MARK: Digests

  @Test func digestsAreSixtyFourHexadecimalDigits() throws {
    let text = "0123456789abcdef00000000000000000000000000000000ffffffffffffffff"
    let digest = try #require(TokenDigest(hex: text))
    #expect(digest.hex == text && TokenDigest(hex: text.uppercased()) == digest)
    let start = text.dropLast()
    for wrong in ["", "\(start)", "\(text)0", "\(start)g", "\(start) ", "\(start)\n", "é\(start.dropLast())"] {
      #expect(TokenDigest(hex: wrong) == nil, "\(wrong)")
    }
    for index in 0..<64 {
      var characters = Array(repeating: UInt8(ascii: "0"), count: 64)
      characters[index] = UInt8(ascii: "1")
      #expect(TokenDigest(hex: characters)?.hex == String(decoding: characters, as: UTF8.self))
    }
  }

  // MARK: Random reports

  @Test func theSizeIsFixed() {
    // A value without references cannot grow.
    #expect(_isPOD(RejectionReports.self))
    #expect(MemoryLayout<RejectionReports>.size < 256)
  }

  @Test("with random reports and tokens, no two requests are closer than the wait, and no report is lost")
  func randomReports() {
    let base = UInt64.random(in: .min ... .max)
    for run in 0..<2_000 {
      let seed = base &+ UInt64(run)
      if let failure = Self.live(seed) { Issue.record("seed \(seed): \(failure)") }
    }
  }

  /// Lives with random reports. The documented rules are calculated here a second time.
  private static func live(_ seed: UInt64) -> String? {
    var random = SplitMix64(seed: seed)
    var reports = RejectionReports()
    var now = at(0)
    var (held, newest): (TokenDigest?, UInt64) = (nil, 0)
    var (requests, lastRequest, lastReport): (Int, BootTime?, BootTime?) = (0, nil, nil)
    var (total, newer, limited, sent) = (0, 0, 0, 0)
    var isOpen = false
    func wait() -> Duration { requests == 0 ? .zero : min(.seconds(1 << min(requests - 1, 20)), .seconds(1800)) }
    func request() -> String? {
      if let lastRequest, now - lastRequest < wait() { return "a request \(now - lastRequest) after the last one" }
      (requests, lastRequest, sent, isOpen) = (requests + 1, now, sent + 1, true)
      return nil
    }
    func note() {
      if let lastReport, now - lastReport >= .seconds(3600) { (requests, isOpen) = (0, false) }
      lastReport = now
    }
    let paces: [Double] = [0.0001, 0.1, 3, 400, 2000]
    let pace = paces[Int.random(in: 0..<paces.count, using: &random)]
    for _ in 0..<200 {
      now = now + .seconds(Double.random(in: 0...pace, using: &random))
      switch Int.random(in: 0..<10, using: &random) {
      case 0, 1:
        // Another token, or the same bytes again.
        if Bool.random(using: &random) { newest += 1 }
        held = digest(newest)
        reports.tokenArrived(digest(newest), at: now)
        if isOpen { lastRequest = now }
        isOpen = false
      case 2: held = nil
      case 3:
        let deadline = reports.deadline
        let isDue = reports.takeDueRequest(at: now)
        guard isDue == (deadline.map { $0 <= now } ?? false) else { return "a due request is not taken" }
        if isDue, let fault = request() { return fault }
      case 4:
        total += 1
        if let held, held != digest(999) { newer += 1 } else { note() }
        let verdict = reports.handle(digest(999), held: held, at: now)
        if held != nil, verdict != .newerInPlace { return "\(verdict) for a token that is not held" }
        if verdict == .request, let fault = request() { return fault }
        if case .rateLimited = verdict { limited += 1 }
      default:
        total += 1
        note()
        let verdict =
          if let held { reports.handle(held, held: held, at: now) } else { reports.handleRefresh(held: nil, at: now) }
        switch verdict {
        case .newerInPlace: return "the held token is called an old one"
        case .request: if let fault = request() { return fault }
        case .requestUnderWay: if !isOpen { return "no request is under way" }
        case .rateLimited(let until):
          limited += 1
          guard until > now, let lastRequest, until == lastRequest + wait() else { return "a wait until \(until)" }
          guard reports.deadline == until else { return "a report that waits is forgotten" }
        }
      }
      let counts = reports.counts
      guard counts.total == total, counts.newer == newer, counts.limited == limited, counts.requested == sent else {
        return "counts \(counts)"
      }
    }
    return nil
  }
}
