package import Base
import Engine
import FoundationEssentials

/// The content of `status.json`: one JSON object, with a line for each token.
///
/// Lines of unchanged tokens are copied from the previous document. With ten thousand tokens, something changes every
/// few seconds. Encoding all of them takes a third of a second and 60 MiB.
struct StatusDocument {
  /// The text.
  private(set) var bytes: [UInt8] = []
  /// The status without tokens.
  private var head: BrokerStatus?
  private var tokens: [TokenStatus] = []
  private var lines: [Range<Int>] = []

  /// An unchanged status is written again after this time, so that the document shows until when it was true. After a
  /// crash, the next run knows nothing later than this.
  private static let period = Duration.seconds(60)

  /// Encodes `status`.
  ///
  /// - Returns: `nil` if nothing but the time has changed for less than a minute, or if a number cannot be encoded.
  func updated(to status: BrokerStatus) -> StatusDocument? {
    var head = status
    head.tokens = []
    if let previous = self.head, head.isEqual(to: previous), status.tokens == tokens {
      guard let written = previous.monotonic, let now = head.monotonic, now - written >= Self.period else { return nil }
      head.writtenAt = previous.writtenAt
    }
    return try? StatusDocument(head, status.tokens, after: self)
  }

  init() {}

  private init(_ head: BrokerStatus, _ tokens: [TokenStatus], after previous: StatusDocument) throws {
    self.head = head
    self.tokens = tokens
    let (start, end) = try Self.split(JSONText.encode(head))
    bytes.reserveCapacity(previous.bytes.count + 4096)
    lines.reserveCapacity(tokens.count)
    bytes += start
    for (index, token) in tokens.enumerated() {
      bytes += index == 0 ? "\n".utf8 : ",\n".utf8
      let begin = bytes.count
      if index < previous.tokens.count, previous.tokens[index] == token {
        bytes += previous.bytes[previous.lines[index]]
      } else {
        bytes += try JSONText.encode(token)
      }
      lines.append(begin..<bytes.count)
    }
    bytes += "\n".utf8
    bytes += end
    bytes += "\n".utf8
    // While the document grows, the array doubles its capacity. The document is kept, so the rest is returned.
    // `Array(bytes[...])` would share the memory.
    if bytes.capacity - bytes.count > max(4096, bytes.count / 8) {
      var exact: [UInt8] = []
      exact.reserveCapacity(bytes.count)
      exact += bytes
      bytes = exact
    }
  }

  /// Decodes a document; `nil` if its format is wrong, or a number is out of range.
  ///
  /// Decodes line by line, up to the first wrong line. So a forged document takes little more memory than its size.
  static func parse(_ document: Secret) -> BrokerStatus? {
    document.withBytes { bytes in
      var rest = bytes[...]
      let decoder = JSONDecoder()
      guard var head = line(&rest) else { return nil }
      var tokens: [TokenStatus] = []
      while let line = line(&rest) {
        guard line.first != UInt8(ascii: "]") else {
          head += line
          break
        }
        let object = line.last == UInt8(ascii: ",") ? line.dropLast() : line
        guard let token = try? decoder.decode(TokenStatus.self, from: object), token.isPlausible else { return nil }
        tokens.append(token)
      }
      guard var status = try? decoder.decode(BrokerStatus.self, from: head), status.isPlausible else { return nil }
      status.tokens = tokens
      return status
    }
  }

  /// The maximum length of a line. Granted scopes are limited to 64 KiB.
  private static let longestLine = 1 << 18

  /// The next line; `nil` at the end, and for a line that is too long.
  private static func line(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Data? {
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")), end - rest.startIndex <= longestLine else { return nil }
    defer { rest = rest[(end + 1)...] }
    return Data(rest[..<end])
  }

  /// Splits the document at the place for the tokens. Quotes within strings are escaped, so the place is unique.
  ///
  /// The head is searched from its end, where the place is.
  private static func split(_ head: [UInt8]) throws -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
    let empty = Array(#""tokens":[]"#.utf8)
    let places = 0...max(0, head.count - empty.count)
    guard let place = places.last(where: { head[$0...].starts(with: empty) }) else {
      throw EncodingError.invalidValue(head, .init(codingPath: [], debugDescription: "no place for the tokens"))
    }
    let middle = place + empty.count - 1
    return (head[..<middle], head[middle...])
  }
}

extension BrokerStatus {
  /// Whether the numbers, without those of the tokens, are in range.
  var isPlausible: Bool {
    version == 1 && pid > 0 && processStart ?? 0 >= 0 && PlausibleNumbers.areNatural(reloads)
      && writtenAtMonotonic ?? 0 >= 0 && PlausibleNumbers.areSeconds(writtenAt, startedAt, stoppedAt)
  }

  /// Whether this differs from `other` in nothing but the time.
  func isEqual(to other: BrokerStatus) -> Bool {
    var other = other
    other.writtenAt = writtenAt
    other.writtenAtMonotonic = writtenAtMonotonic
    return self == other
  }

  /// When this was written, on `CLOCK_MONOTONIC`.
  package var monotonic: BootTime? { writtenAtMonotonic.map(BootTime.init(nanoseconds:)) }
}

extension TokenStatus {
  /// Whether all numbers are in range.
  var isPlausible: Bool {
    let durations = tally.durations
    return expiresAtBoot ?? 0 >= 0 && dueAtBoot ?? 0 >= 0
      && PlausibleNumbers.areSeconds(
        expiresAt, nextAttempt, obtainedAt, clockSkew, lastSuccess, failure?.since, lastFailure?.since,
        rejection?.since, tally.lastSuccess, durations.sum)
      && PlausibleNumbers.areSeconds(apiAcceptedAt) && PlausibleNumbers.areSeconds(availability?.times ?? [])
      && PlausibleNumbers.areNatural(
        reports?.total ?? 0, reports?.requested ?? 0, reports?.newer ?? 0, reports?.limited ?? 0)
      && PlausibleNumbers.areNatural(
        requests, successes, failure?.count ?? 0, lastFailure?.count ?? 0, rejection?.count ?? 0, tally.successes,
        tally.transientFailures, tally.refusals, durations.total)
      && durations.counts.count == DurationHistogram.bounds.count && durations.counts.allSatisfy { $0 >= 0 }
  }
}
