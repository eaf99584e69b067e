import Base
import Dispatch
import Glibc

/// The connection of one unit's start that waits for its credential.
///
/// Proof of `Sendable`: it is used on `queue` only, the broker's, where its sources call it too.
final class CredentialConnection: @unchecked Sendable {
  /// The content of a refusal, repeated.
  private static let zeros = Secret([UInt8](repeating: 0, count: 64 << 10))

  /// The unit and the credential that it requests.
  let peer: CredentialPeer
  /// When the unit sent its request.
  let since: BootTime

  let descriptor: Int32
  private let queue: DispatchQueue
  private var writer: (any DispatchSourceWrite)?
  private var answer: Secret?
  /// How many bytes are left to send. The answer is repeated until none is left.
  private var left = 0
  private var onEnd: (() -> Void)?

  /// Owns the non-blocking `descriptor` from now on. `onEnd` is called once, when the connection is closed.
  init(
    _ descriptor: Int32, peer: CredentialPeer, since: BootTime, queue: DispatchQueue, onEnd: @escaping () -> Void
  ) {
    self.descriptor = descriptor
    self.peer = peer
    self.since = since
    self.queue = queue
    self.onEnd = onEnd
  }

  deinit {
    writer?.cancel()
  }

  /// Whether there is an answer, or the connection is closed.
  var isAnswered: Bool { answer != nil || onEnd == nil }

  /// Sends the credential. There is no time limit, because systemd would treat a part of the credential as the whole.
  func send(_ credential: Secret) { send(credential, credential.count) }

  /// Makes the unit's start fail.
  ///
  /// If a connection ends without data, systemd treats this as an empty credential and starts the unit with it. It
  /// rejects a credential of more than 1 MiB. Therefore a refusal is 1 MiB and one byte of zeros, which systemd
  /// discards.
  func refuse() { send(Self.zeros, 1 << 20 + 1) }

  private func send(_ answer: Secret, _ count: Int) {
    guard !isAnswered else { return }
    self.answer = answer
    left = count
    write()
  }

  /// Closes the connection.
  func close() {
    guard let onEnd else { return }
    self.onEnd = nil
    answer = nil
    if let writer {
      // The descriptor must outlive the source (dispatch_source_set_cancel_handler(3)).
      writer.cancel()
    } else {
      Glibc.close(descriptor)
    }
    writer = nil
    onEnd()
  }

  /// Sends as much of the answer as fits into the socket's buffer, and closes the connection after the last byte.
  func write() {
    guard let answer else { return }
    while left > 0 {
      let count = answer.withBytes { bytes in
        // A copy begins where the rest is a multiple of the answer's length.
        let part = left % bytes.count == 0 ? bytes.count : left % bytes.count
        return Glibc.send(
          descriptor, bytes.baseAddress.map { $0 + (bytes.count - part) }, part, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return waitForRoom() }
      guard count > 0 else { break }
      left -= count
    }
    close()
  }

  private func waitForRoom() {
    guard writer == nil else { return }
    let descriptor = descriptor
    let source = DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { [weak self] in self?.write() }
    source.setCancelHandler { Glibc.close(descriptor) }
    source.activate()
    writer = source
  }
}

/// The peer of a credential connection: a unit, and its name for the credential.
///
/// Before systemd connects, it binds its end to an abstract address (unix(7)). After a NUL byte, the address has the
/// form `RANDOM/unit/UNIT/CREDENTIAL`, where RANDOM is a hexadecimal number (systemd.exec(5), `LoadCredential=`). Any
/// process can bind such an address. It is valid only if the kernel reports that the process belongs to root
/// (SO_PEERCRED).
public struct CredentialPeer: Hashable, Sendable {
  /// The unit that is being started, such as `flood-alert.service`.
  public var unit: String
  /// The unit's name for the credential, such as `konexus.token`.
  public var credential: String

  /// Parses an address, as in `sun_path`, with the length from the kernel.
  ///
  /// `nil` for an address that systemd does not make.
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

  /// A number of 64 bits; some versions omit leading zeros.
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
