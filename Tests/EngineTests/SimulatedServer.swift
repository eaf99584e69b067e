@testable import Base
@testable import Engine

/// An authorization server in virtual time: available, then with a fault, then available again. It records the tokens
/// that it issued.
struct SimulatedServer {
  enum State {
    case well, down, refusing, busy(Duration), erratic
    /// Its tokens do not verify, as those of another server or of an attacker.
    case forging
  }

  /// A response after its verification.
  enum Answer { case token(TokenTimes), failure(AcquisitionFailure) }

  /// Its states, each with its end on the boot-time clock; available after the last.
  private(set) var parts: [(until: Int64, state: State)] = []
  /// Every token that it issued.
  private(set) var issued: Set<TokenTimes> = []
  /// When the last request with a valid token was sent, from which its lifetime counts, and half of the lifetime.
  private(set) var lastGood: (sentAt: Int64, halfLife: Int64)?
  private let lifetime: Int64
  private let schedule: RefreshSchedule

  static let second: Int64 = 1_000_000_000

  /// A server whose tokens have at most this `lifetime`, with faults until `end`.
  init(lifetime: Int64, schedule: RefreshSchedule, from start: Int64, until end: Int64, random: inout SplitMix64) {
    self.lifetime = lifetime
    self.schedule = schedule
    var time = start
    while time < end {
      time += Self.draw(lifetime * 2, &random)
      parts.append((time, .well))
      time += Self.draw(lifetime * 3 / 2, &random)
      let states: [State] = [
        .down, .down, .refusing, .busy(.seconds(Self.draw(1001, &random))), .erratic, .forging,
      ]
      parts.append((time, states[Int(Self.draw(Int64(states.count), &random))]))
    }
  }

  func state(at time: Int64) -> State { parts.first { $0.until > time }?.state ?? .well }

  /// Makes it available from now on.
  mutating func recover() { parts = [] }

  /// The spans between `start` and `end` in which it was available.
  func wellSpans(from start: Int64, to end: Int64) -> [(start: Int64, end: Int64)] {
    var spans: [(start: Int64, end: Int64)] = []
    var from = Int64.min
    for part in parts + [(until: .max, state: .well)] {
      if case .well = part.state {
        let span = (start: max(from, start), end: min(part.until, end))
        if span.start < span.end { spans.append(span) }
      }
      from = part.until
    }
    return spans
  }

  /// Answers a request that was sent at `sentAt`, and verifies the response, as `AuthorizationServer` does.
  mutating func answer(sentAt: Int64, at now: Int64, random: inout SplitMix64) -> Answer {
    switch state(at: now) {
    case .well: return token(sentAt, &random)
    case .down: return .failure(AcquisitionFailure(.connection, "down"))
    case .refusing: return .failure(AcquisitionFailure(.invalidClient, "refused"))
    case .busy(let wait): return .failure(AcquisitionFailure(.tooManyRequests, "busy", retryAfter: wait))
    case .forging:
      let codes: [FailureCode] = [.signature, .unknownKey, .wrongAudience, .malformedToken, .tokenExpired]
      return .failure(AcquisitionFailure(codes[Int(Self.draw(Int64(codes.count), &random))], "does not verify"))
    case .erratic:
      switch Self.draw(3, &random) {
      case 0: return token(sentAt, &random)
      case 1:
        return .failure(AcquisitionFailure(.serverError, "503", retryAfter: .seconds(Self.draw(400, &random))))
      default: return .failure(AcquisitionFailure(.oauthError, "no"))
      }
    }
  }

  private mutating func token(_ sentAt: Int64, _ random: inout SplitMix64) -> Answer {
    let life = max(3 * Self.second, lifetime - Self.draw(lifetime / 2, &random))
    let token = schedule.plan(requestedAt: BootTime(nanoseconds: sentAt), lifetime: .nanoseconds(life))
    issued.insert(token)
    lastGood = (sentAt, life / 2)
    return .token(token)
  }

  private static func draw(_ bound: Int64, _ random: inout SplitMix64) -> Int64 {
    Int64(random.next() % UInt64(max(1, bound)))
  }
}
