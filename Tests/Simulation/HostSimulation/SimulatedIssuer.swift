import Base

/// An authorization server: available, then with a fault, then available again. Its times are real times
/// (`SimulatedClocks.real`), not those of the host's clocks.
struct SimulatedIssuer {
  enum State {
    case well, down, refusing, busy(Duration), erratic
    /// Its tokens do not verify, like those of another server or of an attacker.
    case forging
  }

  /// A response after its verification. `kept`: the token if the server issued it before.
  enum Answer { case token(lifetime: Int64, kept: Kept?), failure(AcquisitionFailure) }

  /// Whether the server returns a token again that it issued before.
  enum Repetition: Hashable {
    case never
    /// Until `left` of its lifetime is left; with 0, until it expires.
    case until(left: Int64)
    /// Two servers behind a load balancer do so, each with a token of its own.
    case inTurn
  }

  /// A token that is returned again.
  struct Kept {
    var id: Int
    var key: Int
    var lifetime: Int64
    /// When it expires, in real time.
    var end: Int64
  }

  let repetition: Repetition
  /// Whether its responses have the whole lifetime each time, for a token of any age, as opaque tokens can.
  let statesWholeLifetime: Bool
  /// The tokens that are returned again, by account and server.
  private var kept: [[Int]: Kept] = [:]
  private var ends: [Int: Int64] = [:]
  /// Which of the servers behind its address answered last.
  private var server = 0

  let lifetime: Int64
  /// How long an exchange takes while it is available.
  let latency: Int64
  /// How long a request for its documents takes.
  let documentDelay: Int64
  /// The configured limit of one exchange.
  let timeout: Int64
  private let documentLife: Int64
  private var parts: [(until: Int64, state: State)] = []
  /// When the documents expire. All attempts of a host share them, and one request for them.
  private var documentsUntil = Int64.min
  private var fetchEndsAt = Int64.min
  private var rotations: [Int64] = []
  private(set) var keys: SimulatedKeys
  /// How long its key set is fresh, by its response; `nil` if that does not state it.
  let freshness: Int64?
  /// The lifetime of its tokens, limited to half a day. The troubles last in proportion to it.
  private let pace: Int64
  /// When an attempt failed though the server was available.
  private var hiccups: [Int64] = []

  init(lifetime base: Int64, from start: Int64, random: inout SplitMix64) {
    lifetime = base * (random.chance(2) ? 1 : random.pick(1...3)) + random.draw(second)
    pace = min(lifetime, 43_200 * second)
    latency = min(random.pick(1...2000) * 1_000_000, pace / 60)
    timeout = max(latency, min(30 * second, pace / 20))
    documentDelay = random.chance(2) ? 0 : random.draw(min(timeout, 10 * second))
    documentLife = random.draw(pace * 2)
    let freshnesses: [Int64?] = [nil, nil, 0, 30, 300, 3600]
    freshness = (random.choose(freshnesses) ?? nil).map { $0 * second }
    keys = SimulatedKeys(from: start, length: pace * 3, random: &random)
    let repetitions: [Repetition] = [
      .never, .never, .never, .never, .never, .never, .until(left: 0), .until(left: 0), .until(left: lifetime / 10),
      .inTurn,
    ]
    repetition = random.choose(repetitions) ?? .never
    statesWholeLifetime = random.chance(3)
    let end = start + length
    var time = start
    while time < end {
      time += random.draw(pace * 2)
      parts.append((time, .well))
      time += random.draw(pace * 3 / 2)
      let states: [State] = [
        .down, .down, .refusing, .busy(.seconds(random.draw(1001))), .erratic, .forging,
      ]
      parts.append((time, states[Int(random.draw(Int64(states.count)))]))
    }
    rotations = (0..<random.draw(3)).map { _ in start + random.draw(length) }.sorted(by: >)
  }

  /// How long the time with troubles lasts.
  var length: Int64 { pace * 3 }

  /// Makes the server available from now on.
  mutating func recover(at time: Int64) {
    keys.rest(at: time)
    parts = []
    rotations = []
  }

  private func state(at time: Int64) -> State { parts.first { $0.until > time }?.state ?? .well }
  func isWell(at time: Int64) -> Bool { if case .well = state(at: time) { true } else { false } }

  /// The spans between `start` and `end` in which the server was available and every attempt succeeded.
  func wellSpans(from start: Int64, to end: Int64) -> [(start: Int64, end: Int64)] {
    var spans: [(start: Int64, end: Int64)] = []
    var from = Int64.min
    for part in parts + [(until: .max, state: .well)] {
      if case .well = part.state {
        var span = (start: max(from, start), end: min(part.until, end))
        for hiccup in hiccups where hiccup > span.start && hiccup < span.end {
          spans.append((span.start, hiccup))
          span.start = hiccup
        }
        if span.start < span.end { spans.append(span) }
      }
      from = part.until
    }
    return spans
  }

  /// Takes an attempt; returns how long it lasts.
  mutating func begin(at now: Int64, limit: Int64, _ random: inout SplitMix64) -> Int64 {
    func slow(_ random: inout SplitMix64) -> Int64 { random.chance(2) ? limit : random.draw(limit) }
    var wait: Int64 = 0
    if documentsUntil <= now {
      if fetchEndsAt <= now { fetchEndsAt = now + (isWell(at: now) ? documentDelay : slow(&random)) }
      wait = min(fetchEndsAt - now, limit)
    }
    return wait + (isWell(at: now) ? latency : slow(&random))
  }

  /// Ends an attempt: the response, after its verification.
  mutating func answer(account: Int, sentAt: Int64, at now: Int64, _ random: inout SplitMix64) -> Answer {
    let hadDocuments = documentsUntil > sentAt
    switch state(at: now) {
    case .well: return token(account: account, at: now, &random)
    case .down: return .failure(AcquisitionFailure(.connection, "down"))
    case .refusing:
      return .failure(AcquisitionFailure(hadDocuments ? .invalidClient : .documentRejected, "refused"))
    case .busy(let wait): return .failure(AcquisitionFailure(.tooManyRequests, "busy", retryAfter: wait))
    case .forging:
      let codes: [FailureCode] = [.signature, .unknownKey, .wrongAudience, .malformedToken, .tokenExpired]
      return .failure(AcquisitionFailure(codes[Int(random.draw(Int64(codes.count)))], "does not verify"))
    case .erratic:
      switch random.draw(4) {
      case 0: return token(account: account, at: now, &random)
      // A valid token that cannot be used: its lifetime is less than 3 s, or it expired on its way.
      case 1: return .token(lifetime: random.pick(second...max(3 * second - 1, now - sentAt)), kept: nil)
      case 2:
        return .failure(AcquisitionFailure(.serverError, "503", retryAfter: .seconds(random.draw(400))))
      default: return .failure(AcquisitionFailure(.oauthError, "no"))
      }
    }
  }

  /// Keeps a token that the server has issued, to return it again.
  mutating func keep(_ token: IssuedToken, of account: Int, at now: Int64) {
    guard repetition != .never else { return }
    let end = now + token.lifetime
    kept[[account, server]] = Kept(id: token.id, key: token.key, lifetime: token.lifetime, end: end)
    ends[token.id] = end
  }

  /// When the server stops returning this token, in real time; `nil` for a token that it returns only once.
  func renewal(of token: Int) -> Int64? {
    guard let end = ends[token] else { return nil }
    if case .until(let left) = repetition { return end - left }
    return end
  }

  /// Notes that its documents were read for an attempt, if they were not fresh.
  mutating func readDocuments(at now: Int64) {
    if documentsUntil <= now { documentsUntil = now + documentLife }
  }

  private mutating func token(account: Int, at now: Int64, _ random: inout SplitMix64) -> Answer {
    if let rotation = rotations.last, rotation <= now {
      // The first token with a new key fails. The next attempt reads the key set again.
      rotations.removeLast()
      hiccups.append(now)
      return .failure(AcquisitionFailure(.unknownKey, "signed with a new key"))
    }
    readDocuments(at: now)
    server = repetition == .inTurn ? Int(random.draw(2)) : 0
    if let known = kept[[account, server]], renewal(of: known.id) ?? now > now {
      return .token(lifetime: statesWholeLifetime ? known.lifetime : known.end - now, kept: known)
    }
    return .token(lifetime: max(3 * second, lifetime - random.draw(lifetime / 2)), kept: nil)
  }
}
