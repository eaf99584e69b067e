import Synchronization

/// A signal from one thread to another that something happened.
package final class Flag: Sendable {
  private let value = Atomic(false)

  package init() {}

  package func set() { value.store(true, ordering: .sequentiallyConsistent) }
  package func clear() { value.store(false, ordering: .sequentiallyConsistent) }
  package var isSet: Bool { value.load(ordering: .sequentiallyConsistent) }
}
