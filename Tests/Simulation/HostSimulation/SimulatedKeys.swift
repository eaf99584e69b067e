import Base

/// The signing keys of an issuer, in real time. Keys are announced, used and withdrawn, or replaced without notice.
struct SimulatedKeys {
  private struct Part {
    var from: Int64
    var signing: Int
    var published: Set<Int>
  }

  /// Whether a load balancer alternates between two servers, each with a key of its own.
  let isBalanced: Bool
  private var parts: [Part]

  init(from start: Int64, length: Int64, random: inout SplitMix64) {
    isBalanced = random.chance(6)
    parts = [Part(from: .min, signing: 1, published: isBalanced ? [1, 2] : [1])]
    guard !isBalanced else { return }
    var time = start
    for next in 2..<2 + Int(random.draw(4)) {
      time += 1 + random.draw(length / 2)
      if random.chance(2) {
        parts.append(Part(from: time, signing: next, published: [next]))
        continue
      }
      parts.append(Part(from: time, signing: next - 1, published: [next - 1, next]))
      time += 1 + random.draw(length / 10)
      parts.append(Part(from: time, signing: next, published: [next - 1, next]))
      time += 1 + random.draw(length / 10)
      parts.append(Part(from: time, signing: next, published: [next]))
    }
  }

  private func part(at time: Int64) -> Part? { parts.last { $0.from <= time } }

  /// The keys that verify a token.
  func published(at time: Int64) -> Set<Int> { part(at: time)?.published ?? [] }

  /// The key set that one request gets.
  func read(at time: Int64, _ random: inout SplitMix64) -> Set<Int> {
    isBalanced ? [random.chance(2) ? 1 : 2] : published(at: time)
  }

  /// The key that signs a token.
  func sign(at time: Int64, _ random: inout SplitMix64) -> Int {
    isBalanced ? (random.chance(2) ? 1 : 2) : part(at: time)?.signing ?? 1
  }

  /// Since when this key, which has signed tokens, is not published any more; `nil` if it is published.
  func withdrawal(of key: Int, at time: Int64) -> Int64? {
    guard !published(at: time).contains(key) else { return nil }
    return parts.first { $0.from <= time && $0.signing > key && !$0.published.contains(key) }?.from
  }

  /// Lets no key change any more.
  mutating func rest(at time: Int64) { parts.removeAll { $0.from > time } }
}

/// An API that accepts or rejects tokens.
struct SimulatedAPI {
  /// When it loads a key that it does not know.
  enum Learning {
    case atOnce
    /// The first request with a new key gets 401.
    case atFirstRequest
    case after(Int64)
  }

  enum Answer { case accepted, rejected, unknown }

  private enum State { case well, rejecting, broken }

  /// The longest time until it has loaded a key.
  static let longestLearning = 600 * second

  private let learning: Learning
  /// The answer to every request, because the URL is wrong; `nil` if it is right.
  private let fixed: Answer?
  private var parts: [(until: Int64, state: State)] = []
  private var learnedAt: [Int: Int64] = [:]

  init(from start: Int64, length: Int64, random: inout SplitMix64) {
    learning =
      switch random.draw(4) {
      case 0: .atFirstRequest
      case 1: .after(random.draw(Self.longestLearning))
      default: .atOnce
      }
    fixed = random.chance(6) ? (random.chance(2) ? .rejected : .unknown) : nil
    guard random.chance(2) else { return }
    var time = start
    while time < start + length {
      time += 1 + random.draw(length)
      parts.append((time, .well))
      time += 1 + random.draw(length / 2)
      parts.append((time, random.chance(2) ? .rejecting : .broken))
    }
  }

  /// Whether it can ever accept a token.
  var isRight: Bool { fixed == nil }

  /// Accepts or rejects a token with this key. `isGood`: it has not expired, was not revoked, and its key is published.
  mutating func judge(key: Int, isGood: Bool, at time: Int64) -> Answer {
    if let fixed { return fixed }
    switch parts.first(where: { $0.until > time })?.state ?? .well {
    case .broken: return .unknown
    case .rejecting: return .rejected
    case .well: break
    }
    guard isGood else { return .rejected }
    if let known = learnedAt[key] { return known <= time ? .accepted : .rejected }
    switch learning {
    case .atOnce:
      learnedAt[key] = time
      return .accepted
    case .atFirstRequest: learnedAt[key] = time
    case .after(let wait): learnedAt[key] = time + wait
    }
    return .rejected
  }

  mutating func recover() { parts = [] }
}
