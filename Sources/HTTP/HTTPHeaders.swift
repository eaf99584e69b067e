/// One header field (RFC 9110 5).
public struct HTTPHeader: Hashable, Sendable {
  /// The field's name; case does not matter.
  public var name: String
  /// The field's value without surrounding white space.
  public var value: String

  /// Makes a field.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// A message's header fields in their order, looked up by name without regard to case.
public struct HTTPHeaders: Hashable, Sendable {
  /// All fields, in the order in which they came.
  public var fields: [HTTPHeader]

  /// Makes a list of fields.
  public init(_ fields: [HTTPHeader] = []) {
    self.fields = fields
  }

  /// The values of all fields of that name, in order; empty if there is none.
  public func values(for name: String) -> [String] {
    let name = name.lowercased()
    return fields.filter { $0.name.lowercased() == name }.map(\.value)
  }

  /// The value of the first field of that name.
  public subscript(name: String) -> String? {
    let name = name.lowercased()
    return fields.first { $0.name.lowercased() == name }?.value
  }
}
