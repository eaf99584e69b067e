import Base
import Engine

/// Passes events to the engine one after the other, and performs its effects.
///
/// An effect never calls the engine. Its result is posted, and handled after the effects of the present event.
@BrokerActor final class EngineLoop {
  /// The engine, for reading only.
  private(set) var engine: HostEngine
  private var events: [HostEvent] = []
  private var isRunning = false
  private var perform: @BrokerActor (HostEffect) -> Void = { _ in }

  nonisolated init(at now: Moment) {
    engine = HostEngine(seed: .random(in: .min ... .max), at: now)
  }

  /// Sets the handler of effects.
  func connect(perform: @escaping @BrokerActor (HostEffect) -> Void) { self.perform = perform }

  /// Adds an event. Handles all waiting events, unless this is already under way.
  func post(_ event: HostEvent) {
    events.append(event)
    guard !isRunning else { return }
    isRunning = true
    defer { isRunning = false }
    while !events.isEmpty {
      var index = 0
      // Effects add events behind this one.
      while index < events.count {
        handle(events[index])
        index += 1
      }
      events.removeAll(keepingCapacity: events.capacity < 1024)
      handle(.idle)
    }
  }

  private func handle(_ event: HostEvent) {
    for effect in engine.handle(event, at: .now()) { perform(effect) }
  }
}
