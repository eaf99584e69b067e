import CSystemd
import Glibc

/// A connection to the service manager over D-Bus (org.freedesktop.systemd1(5)).
struct ManagerConnection: ~Copyable {
  private static let destination = "org.freedesktop.systemd1"
  /// The time limit of one call, in microseconds. A manager that reloads its units takes long.
  private static let callTimeout: UInt64 = 10_000_000

  private let bus: OpaquePointer

  /// Connects as systemctl(1) does; `nil` if that is not possible. Root uses the manager's own socket, which needs no
  /// message bus. Other users use the system's message bus.
  init?() {
    guard let bus = (geteuid() == 0 ? Self.privateBus() : nil) ?? Self.systemBus() else { return nil }
    self.bus = bus
    sd_bus_set_method_call_timeout(bus, Self.callTimeout)
  }

  deinit { sd_bus_flush_close_unref(bus) }

  private static func privateBus() -> OpaquePointer? {
    var bus: OpaquePointer?
    guard sd_bus_new(&bus) >= 0 else { return nil }
    guard sd_bus_set_address(bus, "unix:path=/run/systemd/private") >= 0, sd_bus_start(bus) >= 0 else {
      sd_bus_unref(bus)
      return nil
    }
    return bus
  }

  private static func systemBus() -> OpaquePointer? {
    var bus: OpaquePointer?
    return sd_bus_open_system(&bus) >= 0 ? bus : nil
  }

  /// The object path of a unit; `nil` for a name that no unit can have.
  func path(ofUnit name: String) -> String? {
    var path: UnsafeMutablePointer<CChar>?
    guard sd_bus_path_encode("/org/freedesktop/systemd1/unit", name, &path) >= 0, let path else { return nil }
    defer { free(path) }
    return String(cString: path)
  }

  /// The value of a property; `nil` if the manager does not have it or does not answer.
  func property<Value>(
    _ name: String, of path: String, in interface: String, type: String, read: (borrowing Message) -> Value
  ) -> Value? {
    var reply: OpaquePointer?
    guard
      sd_bus_get_property(
        bus, Self.destination, path, "\(Self.destination).\(interface)", name, nil, &reply, type) >= 0,
      let reply
    else { return nil }
    return read(Message(reply))
  }

  /// The answer to a call, read from its start to its end.
  struct Message: ~Copyable {
    private let message: OpaquePointer

    init(_ message: OpaquePointer) { self.message = message }

    deinit { sd_bus_message_unref(message) }

    /// The next value of type `s`.
    func string() -> String? {
      var text: UnsafePointer<CChar>?
      guard sd_bus_message_read_basic(message, CChar(UInt8(ascii: "s")), &text) > 0, let text else { return nil }
      return String(cString: text)
    }

    /// The next value of type `b`.
    func boolean() -> Bool? {
      var value: Int32 = 0
      guard sd_bus_message_read_basic(message, CChar(UInt8(ascii: "b")), &value) > 0 else { return nil }
      return value != 0
    }

    /// The next value of type `i`.
    func integer() -> Int32? {
      var value: Int32 = 0
      guard sd_bus_message_read_basic(message, CChar(UInt8(ascii: "i")), &value) > 0 else { return nil }
      return value
    }

    /// The next value of type `as`.
    func strings() -> [String] {
      elements("s") { $0.string() }
    }

    /// The next value of type `a(ss)`.
    func pairs() -> [(String, String)] {
      elements("(ss)") { message in
        guard sd_bus_message_enter_container(message.message, CChar(UInt8(ascii: "r")), "ss") > 0 else { return nil }
        defer { sd_bus_message_exit_container(message.message) }
        guard let first = message.string(), let second = message.string() else { return nil }
        return (first, second)
      }
    }

    private func elements<Element>(_ type: String, _ next: (borrowing Message) -> Element?) -> [Element] {
      guard sd_bus_message_enter_container(message, CChar(UInt8(ascii: "a")), type) > 0 else { return [] }
      defer { sd_bus_message_exit_container(message) }
      var found: [Element] = []
      while let element = next(self) { found.append(element) }
      return found
    }
  }
}
