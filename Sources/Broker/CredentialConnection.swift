import Base
import Dispatch
import Engine
import Glibc

/// One unit's start that waits for its credential.
///
/// Proof of `Sendable`: it is touched on `queue` alone, the broker's, on which its sources call it too.
final class CredentialConnection: @unchecked Sendable {
  /// What a refusal is made of.
  private static let zeros = Secret([UInt8](repeating: 0, count: 64 << 10))

  /// Who asks.
  let peer: CredentialPeer
  /// When it asked.
  let since: BootTime
  /// When it is answered at the latest.
  private(set) var limit: BootTime

  let descriptor: Int32
  private let queue: DispatchQueue
  private let timer: any DispatchSourceTimer
  private var writer: (any DispatchSourceWrite)?
  private var answer: Secret?
  /// How many bytes are left to be sent: the answer, over and over.
  private var left = 0
  private var onEnd: (() -> Void)?

  /// Takes over the non-blocking `descriptor`. `onEnd` is called once, when the connection is closed.
  init(
    _ descriptor: Int32, peer: CredentialPeer, since: BootTime, queue: DispatchQueue, onEnd: @escaping () -> Void
  ) {
    self.descriptor = descriptor
    self.peer = peer
    self.since = since
    self.queue = queue
    self.onEnd = onEnd
    limit = since + CredentialWait.maximum
    timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .distantFuture)
    timer.activate()
  }

  deinit {
    timer.cancel()
    writer?.cancel()
  }

  /// Whether the answer was given, or the connection is closed.
  var isAnswered: Bool { answer != nil || onEnd == nil }

  /// Calls `handler` if there is no answer at `limit`.
  func wait(until limit: BootTime, orElse handler: @escaping @Sendable () -> Void) {
    self.limit = limit
    let time = max(.zero, limit - Moment.now().boot)
    timer.setEventHandler(handler: handler)
    // A little later than the limit, so that it has passed by then.
    timer.schedule(deadline: .now() + .milliseconds(Int(time.nanoseconds / 1_000_000) + 1))
  }

  /// Gives the credential. There is no time limit: systemd would take the part that was sent for all of it.
  func send(_ credential: Secret) { send(credential, credential.count) }

  /// Lets the unit's start fail.
  ///
  /// An end without a word would not: systemd takes that for an empty credential and starts the unit with it. It does not
  /// take more than 1 MiB; so a refusal is one byte more than that, all zeros, which systemd throws away.
  func refuse() { send(Self.zeros, 1 << 20 + 1) }

  private func send(_ answer: Secret, _ count: Int) {
    guard !isAnswered else { return }
    timer.cancel()
    self.answer = answer
    left = count
    write()
  }

  /// Ends the connection.
  func close() {
    guard let onEnd else { return }
    self.onEnd = nil
    timer.cancel()
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

  /// Sends as much of the answer as there is room for, and closes the connection behind it.
  func write() {
    guard let answer else { return }
    while left > 0 {
      let count = answer.withBytes { bytes in
        // A multiple of the answer's length from its end is where the next copy begins.
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
