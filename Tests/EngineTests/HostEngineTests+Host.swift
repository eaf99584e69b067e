@testable import Base
@testable import Engine

extension HostEngineTests {
  /// The engine, and a shell that keeps its effects.
  struct Host {
    var engine = HostEngine(seed: 1, at: Self.moment(0))
    /// The last attempt that was sent.
    var attempt: UInt64 = 0
    var sends = 0
    /// Whether the previous request may be sent if that attempt fails.
    var mayFallBack = false
    var replies: [ReportReply] = []
    var reports: [HostReport] = []
    var answers: [CredentialReply] = []
    /// Whether work on files has no result, and that work.
    var isDiskBusy = false
    var works: [(kind: FileWork, number: UInt64)] = []
    /// How often a token was made the newest one, kept, and written, and how often the application was signalled.
    var (accepted, kept, publications, signals) = (0, 0, 0, 0)
    var probes = 0
    var candidates = 0
    var hasExited = false
    /// How often the timers were armed.
    var arms = 0

    static func moment(_ seconds: Double) -> Moment {
      Moment(
        boot: BootTime(seconds: 1000 + seconds), unix: 1_800_000_000 + seconds,
        monotonic: BootTime(seconds: 1000 + seconds))
    }

    /// A host that got token 1 at 0 s, or has it from the previous run.
    init(restored: RestoredToken? = nil, _ change: (inout TokenPlan) -> Void = { _ in }) {
      var configuration = HostChange(maxRequests: 4)
      configuration.added = [Self.plan(changedBy: change)]
      handle(.configured(configuration), at: 0)
      var restored = restored
      restored?.digest = RejectionReportsTests.digest(1)
      handle(.restored("a", restored, nil), at: 0)
      if restored == nil { succeed(1, at: 0) }
    }

    /// The settings of a token.
    static func plan(_ name: String = "a", changedBy change: (inout TokenPlan) -> Void) -> TokenPlan {
      var plan = TokenPlan(
        name: name, server: ServerID(1), schedule: RefreshSchedule(fraction: 0.5, maxAge: .seconds(86_400), jitter: 0),
        timeout: .seconds(30))
      change(&plan)
      return plan
    }

    mutating func handle(_ event: HostEvent, at seconds: Double) { handle(event, at: Self.moment(seconds)) }

    mutating func handle(_ event: HostEvent, at moment: Moment) {
      var events = [event, .idle]
      while !events.isEmpty {
        for effect in engine.handle(events.removeFirst(), at: moment) {
          switch effect {
          case .send(_, let number, _, let falls): (attempt, sends, mayFallBack) = (number, sends + 1, falls)
          case .work(let kind, _, let number) where isDiskBusy: works.append((kind, number))
          case .work(.publish, let name, let number):
            publications += 1
            events += [.worked(name, work: number, .done), .idle]
          case .work(.remove, let name, let number): events += [.worked(name, work: number, .done), .idle]
          case .accept: accepted += 1
          case .keep: kept += 1
          case .notifyApplication: signals += 1
          case .answer(_, let reply): answers.append(reply)
          case .reply(let reply): replies.append(reply)
          case .report(let report): reports.append(report)
          case .probe: probes += 1
          case .probeCandidate: candidates += 1
          case .exit: hasExited = true
          case .arm: arms += 1
          default: break
          }
        }
      }
    }

    /// The attempt that was sent last brings token `number`.
    ///
    /// - Parameter failure: why the present settings failed, if the token is of the previous ones.
    mutating func succeed(
      _ number: UInt64, lifetime: Double = 3600, after failure: AcquisitionFailure? = nil, at seconds: Double
    ) {
      var token = ReceivedToken(
        requestedAt: Self.moment(seconds).boot, lifetime: .seconds(lifetime),
        digest: RejectionReportsTests.digest(number))
      token.fallback = failure.map { ReceivedToken.Fallback($0, isOfFormerSettings: true) }
      handle(.finished("a", attempt: attempt, .success(token)), at: seconds)
    }

    /// The work on files that began last has this result.
    mutating func endWork(_ outcome: FileOutcome, at seconds: Double) {
      handle(.worked("a", work: works.last?.number ?? 0, outcome), at: seconds)
    }

    mutating func fail(_ failure: AcquisitionFailure, at seconds: Double) {
      handle(.finished("a", attempt: attempt, .failure(failure)), at: seconds)
    }

    /// An application reports token `number`. With `nil`, it requests a new one. Returns the reply.
    mutating func report(_ number: UInt64?, of name: String = "a", at seconds: Double) -> ReportReply? {
      replies = []
      handle(.reported(name, rejected: number.map(RejectionReportsTests.digest)), at: seconds)
      return replies.count == 1 ? replies[0] : nil
    }
  }
}
