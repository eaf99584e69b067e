import Testing
@testable import Engine

@Suite struct RequestQueueTests {
  @Test func firstComeFirstServedUpToTheLimit() {
    var queue = RequestQueue(limit: 2)
    for name in ["a", "b", "a", "c", "d"] { queue.enqueue(name) }
    var permits: [RequestQueue.Permit] = []
    while let name = queue.next() {
      let permit = RequestQueue.Permit(token: name, attempt: 1)
      queue.begin(permit)
      permits.append(permit)
    }
    #expect(permits.map(\.token) == ["a", "b"])
    queue.forget("c")
    queue.end(permits[0])
    // A second end has no effect.
    queue.end(permits[0])
    #expect(queue.next() == "d")
    #expect(queue.next() == nil)
  }

  @Test func whoHasHadATurnMayComeAgain() {
    var queue = RequestQueue(limit: 1)
    queue.enqueue("a")
    #expect(queue.next() == "a")
    queue.enqueue("a")
    #expect(queue.next() == "a")
    queue.enqueue("b")
    queue.forget("b")
    queue.enqueue("b")
    #expect(queue.next() == "b")
    #expect(queue.next() == nil)
  }
}
