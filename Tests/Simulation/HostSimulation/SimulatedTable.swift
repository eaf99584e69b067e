import Base
import Engine

/// The settings of one token.
struct SimulatedTable: PlannedSettings, Hashable {
  var name: String
  /// The number of its issuer.
  var issuer: Int
  /// The number of the client's settings: its ID, secret, scope and so on. Another number needs another token.
  var client: Int
  /// The number of the client's account at its servers. They can return a token again though the secret has changed.
  var account: Int
  /// Whether the administrator made a mistake that only the server detects: it rejects this client.
  var isMistyped = false
  /// The numbers of its files. Those of `SimulatedFiles.isPersistent` are on a disk that can hang.
  var outputs: [Int]
  var refreshAt: Double
  var timeout: Int64
  var readsFiles = false
  var minValidity: Int64 = 0
  var revokesOnStop = false
  var verification = HeldTokenVerification.none
  var recheckInterval = 900 * second
  var maxAge = 86_400 * second
  /// The number of its API.
  var api: Int?

  func change(from former: Self) -> TokenChange {
    TokenChange(
      needsNewToken: issuer != former.issuer || client != former.client, movesFiles: outputs != former.outputs,
      movesAPI: api != former.api)
  }

  var mayHang: Bool { outputs.contains(where: SimulatedFiles.isPersistent) }

  var plan: TokenPlan {
    var plan = TokenPlan(
      name: name, server: ServerID(issuer),
      schedule: RefreshSchedule(
        fraction: refreshAt, maxAge: .nanoseconds(maxAge),
        jitter: Double(name.utf8.reduce(0) { $0 &+ Int($1) } % 11) / 10),
      timeout: .nanoseconds(timeout))
    plan.readsFiles = readsFiles
    plan.mayHang = mayHang
    plan.path = "file \(outputs.first ?? 0)"
    plan.minValidity = .nanoseconds(minValidity)
    plan.revokesOnStop = revokesOnStop
    plan.verification = verification
    plan.recheckInterval = .nanoseconds(recheckInterval)
    plan.probesAPI = api != nil
    return plan
  }
}

/// The configuration file, and its edits.
struct SimulatedConfiguration {
  var tables: [SimulatedTable] = []
  var maxRequests = 1
  private var lastTable = 0
  private var lastClient = 0
  private var lastOutput = 0
  /// The tables that were removed. Each can come back with its name and its files.
  private var removed: [SimulatedTable] = []
  /// How many APIs there are.
  static let apis = 3
  private let issuers: Int
  private let timeouts: [Int64]

  /// - Parameter timeouts: the limit of one exchange, by issuer.
  init(tables count: Int64, timeouts: [Int64], random: inout SplitMix64) {
    issuers = timeouts.count
    self.timeouts = timeouts
    maxRequests = Int(random.pick(1...10))
    for _ in 0..<count { add(&random) }
  }

  /// Makes one edit and returns its changes, in words. Empty: the file was saved without a change.
  mutating func edit(_ random: inout SplitMix64) -> [String] {
    var words: [String] = []
    for _ in 0..<random.draw(4) { words.append(change(&random)) }
    return words
  }

  private mutating func change(_ random: inout SplitMix64) -> String {
    let index = Int(random.draw(Int64(tables.count)))
    switch random.draw(12) {
    case 0 where tables.count < 50:
      if random.chance(2), let word = putBack(&random) { return word }
      add(&random)
      return "added \(tables.last?.name ?? "")"
    case 1 where tables.count > 1:
      let table = tables.remove(at: index)
      removed.append(table)
      return "removed \(table.name)"
    case 2:
      lastClient += 1
      tables[index].client = lastClient
      tables[index].isMistyped = false
      if random.chance(2) { return "secret of \(tables[index].name)" }
      tables[index].account = lastClient
      return "client of \(tables[index].name)"
    case 3:
      tables[index].issuer = Int(random.draw(Int64(issuers)))
      tables[index].timeout = timeouts[tables[index].issuer]
      return "issuer of \(tables[index].name)"
    case 4, 5:
      tables[index].outputs = newOutputs(&random)
      return "moved \(tables[index].name)"
    case 6:
      let other = Int(random.draw(Int64(tables.count)))
      (tables[index].outputs, tables[other].outputs) = (tables[other].outputs, tables[index].outputs)
      return "swapped \(tables[index].name), \(tables[other].name)"
    case 7:
      maxRequests = Int(random.pick(1...10))
      return "max_requests = \(maxRequests)"
    case 8:
      tables[index].refreshAt = Double(random.pick(10...90)) / 100
      return "refresh_at of \(tables[index].name)"
    case 9:
      lastClient += 1
      (tables[index].client, tables[index].account, tables[index].isMistyped) = (lastClient, lastClient, true)
      return "typo in \(tables[index].name)"
    default:
      vary(index, &random)
      return "details of \(tables[index].name)"
    }
  }

  /// Corrects all typos; returns whether there were any.
  mutating func correct() -> Bool {
    let mistyped = tables.indices.filter { tables[$0].isMistyped }
    for index in mistyped {
      lastClient += 1
      (tables[index].client, tables[index].account, tables[index].isMistyped) = (lastClient, lastClient, false)
    }
    return !mistyped.isEmpty
  }

  private mutating func add(_ random: inout SplitMix64) {
    lastTable += 1
    lastClient += 1
    let issuer = Int(random.draw(Int64(issuers)))
    tables.append(
      SimulatedTable(
        name: "t\(lastTable)", issuer: issuer, client: lastClient, account: lastClient, outputs: newOutputs(&random),
        refreshAt: Double(random.pick(10...90)) / 100, timeout: timeouts[issuer]))
    vary(tables.count - 1, &random)
  }

  var hasRemoved: Bool { !removed.isEmpty }

  /// Adds a table that was removed, as it was or with another client.
  ///
  /// - Returns: the change in words; `nil` if no table was removed, or there are too many.
  mutating func putBack(_ random: inout SplitMix64) -> String? {
    guard hasRemoved, tables.count < 50 else { return nil }
    var table = removed.remove(at: Int(random.draw(Int64(removed.count))))
    if random.chance(3) {
      lastClient += 1
      (table.client, table.account) = (lastClient, lastClient)
    }
    // Another table can have taken one of its files.
    if tables.contains(where: { !Set($0.outputs).isDisjoint(with: table.outputs) }) {
      table.outputs = newOutputs(&random)
    }
    tables.append(table)
    return "put back \(table.name)"
  }

  private mutating func vary(_ index: Int, _ random: inout SplitMix64) {
    tables[index].readsFiles = random.chance(4)
    tables[index].minValidity = random.chance(2) ? 0 : random.draw(120 * second)
    tables[index].revokesOnStop = random.chance(3)
    tables[index].verification = random.choose([.keySet, .keySet, .introspection, .none]) ?? .none
    tables[index].recheckInterval = (random.choose([60, 60, 300, 900, 900, 3600, 86_400]) ?? 900) * second
    tables[index].maxAge = (random.choose([86_400, 86_400, 86_400, 21_600, 3600, 600, 60]) ?? 86_400) * second
    tables[index].api = random.chance(2) ? Int(random.draw(Int64(Self.apis))) : nil
  }

  private mutating func newOutputs(_ random: inout SplitMix64) -> [Int] {
    let isPersistent = random.chance(5)
    return (0..<(random.chance(2) ? 1 : random.pick(2...3))).map { _ in
      lastOutput += 1
      return lastOutput * 2 + (isPersistent ? 1 : 0)
    }
  }
}
