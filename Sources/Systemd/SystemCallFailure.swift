import Base

/// A call into the system or into libsystemd that failed.
public struct SystemCallFailure: Error, Hashable, Sendable {
  /// The call's name, such as `sd_notify`.
  public let call: String
  /// The error number, positive, as in errno(3).
  public let code: Int32

  /// Describes the failure of `call`; a negative `code`, as libsystemd returns it, is turned round.
  public init(call: String, code: Int32) {
    self.call = call
    self.code = code < 0 ? -code : code
  }
}

extension SystemCallFailure: CustomStringConvertible {
  /// The call and the system's own words, such as `sd_notify: Connection refused`.
  public var description: String { "\(call): \(SystemError.text(code))" }
}
