public import Base

/// A form field's value, secret or not.
public enum FormValue: Hashable, Sendable, ExpressibleByStringLiteral {
  /// Not secret.
  case text(String)
  /// Secret. It is copied only into memory that is wiped.
  case secret(Secret)

  /// A text that is not secret.
  public init(stringLiteral value: String) {
    self = .text(value)
  }

  fileprivate func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    switch self {
    case .secret(let secret): secret.withBytes(body)
    case .text(let text): Array(text.utf8).withUnsafeBytes(body)
    }
  }
}

/// `application/x-www-form-urlencoded` by RFC 6749 appendix B and the WHATWG URL standard, 5.2.
///
/// Letters, digits and `*-._` stay. A space becomes `+`. Any other byte of the UTF-8 form becomes `%` and two
/// upper-case hexadecimal digits.
public enum FormEncoding {
  /// Encodes a form as `name=value&name=value`, in the given order.
  public static func body(_ fields: [(String, FormValue)]) -> Secret {
    var count = max(0, fields.count - 1)
    for (name, value) in fields {
      count += Array(name.utf8).withUnsafeBytes(encodedCount) + 1 + value.withBytes(encodedCount)
    }
    return writing(count) { output in
      for (index, (name, value)) in fields.enumerated() {
        if index > 0 { output.append(UInt8(ascii: "&")) }
        Array(name.utf8).withUnsafeBytes { output.appendEncoded($0) }
        output.append(UInt8(ascii: "="))
        value.withBytes { output.appendEncoded($0) }
      }
    }
  }

  /// Encodes one value, as RFC 6749 2.3.1 requires for a client's identifier and secret in HTTP Basic.
  public static func encoded(_ value: FormValue) -> Secret {
    writing(value.withBytes(encodedCount)) { output in value.withBytes { output.appendEncoded($0) } }
  }

  /// Makes a Secret of exactly `count` bytes that `body` writes.
  private static func writing(_ count: Int, _ body: (inout Output) -> Void) -> Secret {
    Secret(capacity: count) { memory, _ in
      var output = Output(buffer: memory)
      body(&output)
    }
  }

  private static func encodedCount(_ bytes: UnsafeRawBufferPointer) -> Int {
    bytes.reduce(0) { $0 + (staysAsItIs($1) || $1 == UInt8(ascii: " ") ? 1 : 3) }
  }

  fileprivate static func staysAsItIs(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "*"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}

private struct Output {
  let buffer: UnsafeMutableRawBufferPointer
  var count = 0

  mutating func append(_ byte: UInt8) {
    buffer[count] = byte
    count += 1
  }

  mutating func appendEncoded(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes {
      if FormEncoding.staysAsItIs(byte) {
        append(byte)
      } else if byte == UInt8(ascii: " ") {
        append(UInt8(ascii: "+"))
      } else {
        append(UInt8(ascii: "%"))
        append(Self.digit(byte >> 4))
        append(Self.digit(byte & 15))
      }
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
  }
}
