internal import CSystemd
internal import Glibc

/// A socket that the service manager opened for this process: socket activation, sd_listen_fds(3).
public struct ListenDescriptor: Hashable, Sendable {
  /// The open descriptor, close-on-exec. Whoever took it closes it.
  public let descriptor: Int32
  /// The name from `FileDescriptorName=`; the socket unit's name if there is none.
  public let name: String

  /// Takes every descriptor that was passed, and removes `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` from the environment, so
  /// that a second call, or a child, finds none. Empty if the process was not started by a socket unit.
  ///
  /// It changes the environment: call it before any other thread runs that might read it.
  ///
  /// - Throws: `SystemCallFailure` if the variables are malformed or a descriptor is not open.
  public static func takeAll() throws(SystemCallFailure) -> [ListenDescriptor] {
    var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    let count = sd_listen_fds_with_names(1, &names)
    defer {
      var index = 0
      while let name = names?[index] {
        free(name)
        index += 1
      }
      free(names)
    }
    guard count >= 0 else { throw SystemCallFailure(call: "sd_listen_fds_with_names", code: count) }
    return (0..<count).map { offset in
      let name = names?[Int(offset)].map { String(cString: $0) }
      return ListenDescriptor(descriptor: SD_LISTEN_FDS_START + offset, name: name ?? "unknown")
    }
  }

  /// Closes the descriptor.
  public func close() {
    _ = Glibc.close(descriptor)
  }
}
