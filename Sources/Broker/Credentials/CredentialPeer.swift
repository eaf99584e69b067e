/// Who asks the credential socket: a unit of systemd's, and what it calls the credential.
///
/// Before it connects, systemd binds its end to an abstract address (unix(7)) that tells: a NUL byte, a random number in hexadecimal,
/// `/unit/`, the unit's name, `/`, the credential's name (systemd.exec(5), `LoadCredential=`). Anybody can bind such an address:
/// it says something only if the kernel says that root did (SO_PEERCRED).
public struct CredentialPeer: Hashable, Sendable {
  /// The unit that is being started, such as `flood-alert.service`.
  public var unit: String
  /// What it calls the credential, such as `konexus.token`.
  public var credential: String

  /// Takes an address apart, as it stands in `sun_path`, with the length that the kernel gave.
  ///
  /// `nil` for any address that systemd would not make.
  public init?(address: some Collection<UInt8>) {
    let address = Array(address)
    guard address.first == 0, address.count <= 108 else { return nil }
    let parts = address.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == 4, Self.isRandomNumber(parts[0]), parts[1].elementsEqual("unit".utf8),
      Self.isUnitName(parts[2]), Self.isCredentialName(parts[3])
    else { return nil }
    unit = String(decoding: parts[2], as: UTF8.self)
    credential = String(decoding: parts[3], as: UTF8.self)
  }

  /// 64 bits, without zeros in front in some versions.
  private static func isRandomNumber(_ bytes: ArraySlice<UInt8>) -> Bool {
    (1...16).contains(bytes.count) && bytes.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
  }

  /// systemd.unit(5): letters, digits and `:-_.\@`, and a type at the end.
  private static func isUnitName(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")), dot > bytes.startIndex, dot < bytes.endIndex - 1 else {
      return false
    }
    return bytes.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"):
        true
      default: ":-_.\\@".utf8.contains(byte)
      }
    }
  }

  /// A file's name in printable ASCII without a colon.
  private static func isCredentialName(_ bytes: ArraySlice<UInt8>) -> Bool {
    !bytes.isEmpty && !bytes.elementsEqual(".".utf8) && !bytes.elementsEqual("..".utf8)
      && bytes.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") }
  }
}
