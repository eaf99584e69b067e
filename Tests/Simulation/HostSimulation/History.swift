import Base
import Engine

/// Prints a life, for a replay.
enum History {
  static func write(_ event: HostEvent, _ effects: [HostEffect], at now: Int64) {
    // Most heartbeats and most `idle` events have no effect.
    switch event {
    case .idle, .heartbeat: if effects.isEmpty { return }
    default: break
    }
    print("\(time(now))  \(event)")
    for effect in effects { print("                     -> \(effect)") }
  }

  static func write(_ trouble: Trouble, at now: Int64) { print("\(time(now))  *** \(trouble)") }

  static func write(_ edits: [String], at now: Int64) { print("\(time(now))  *** edited: \(edits)") }

  private static func time(_ now: Int64) -> String {
    let digits = "\((now - 1_000_000_000_000) / 1000)"
    let padded = String(repeating: "0", count: max(0, 7 - digits.count)) + digits
    let text = "\(padded.dropLast(6)).\(padded.suffix(6))"
    return String(repeating: " ", count: max(0, 14 - text.count)) + text
  }
}
