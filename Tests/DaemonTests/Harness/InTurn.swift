import Testing

/// Lets a few tests at a time have their daemons, so that a machine of two cores is kept busy but not overrun.
struct InTurn: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await Self.places.take()
    do {
      try await function()
    } catch {
      await Self.places.give()
      throw error
    }
    await Self.places.give()
  }

  private static let places = Places(count: 8)

  private actor Places {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(count: Int) { free = count }

    func take() async {
      guard free == 0 else {
        free -= 1
        return
      }
      await withCheckedContinuation { waiting.append($0) }
    }

    func give() {
      guard !waiting.isEmpty else {
        free += 1
        return
      }
      waiting.removeFirst().resume()
    }
  }
}

extension Trait where Self == InTurn {
  /// Only a few of these tests run at once.
  static var inTurn: InTurn { InTurn() }
}
