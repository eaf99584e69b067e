/// A gzip stream (RFC 1952) of spaces. Unpacked it is some 160 times as long, but it is made without the unpacked form.
enum GzipBomb {
  /// The stream that unpacks to so many MiB of spaces.
  static func bytes(mebibytes: Int) -> [UInt8] {
    let length = mebibytes << 20
    var bits = BitWriter(bytes: [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
    // One last block with the fixed codes (RFC 1951, section 3.2.6): a space, then copies of it.
    bits.write(0b1, count: 1)
    bits.write(0b01, count: 2)
    func literal() { bits.writeCode(0x30 + 0x20, count: 8) }
    literal()
    for _ in 0..<((length - 1) / 258) {
      // Length 258 is code 285; distance 1 is code 0.
      bits.writeCode(0b1100_0101, count: 8)
      bits.writeCode(0, count: 5)
    }
    for _ in 0..<((length - 1) % 258) { literal() }
    // The end of the block is code 256.
    bits.writeCode(0, count: 7)
    var stream = bits.finished
    for word in [checksum(ofSpaces: length), UInt32(truncatingIfNeeded: length)] {
      stream += (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    return stream
  }

  /// CRC-32 of so many spaces, by repeated squaring. This works because appending a byte is an affine map of the
  /// register.
  private static func checksum(ofSpaces count: Int) -> UInt32 {
    func step(_ register: UInt32) -> UInt32 {
      var register = register ^ 0x20
      for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xedb8_8320 : register >> 1 }
      return register
    }
    // A map is stored as its value at 0 and the images of the single bits.
    typealias Map = (constant: UInt32, columns: [UInt32])
    func apply(_ map: Map, to value: UInt32) -> UInt32 {
      map.columns.enumerated().reduce(map.constant) { value >> $1.offset & 1 == 1 ? $0 ^ $1.element : $0 }
    }
    var map: Map = (step(0), (0..<32).map { step(1 << $0) ^ step(0) })
    var register = UInt32.max
    var rest = count
    while rest > 0 {
      if rest & 1 == 1 { register = apply(map, to: register) }
      let twice = apply(map, to: map.constant)
      map = (twice, (0..<32).map { apply(map, to: apply(map, to: 1 << $0)) ^ twice })
      rest >>= 1
    }
    return ~register
  }

  /// Packs bits into bytes, the lowest bit first (RFC 1951, section 3.1.1).
  private struct BitWriter {
    var bytes: [UInt8]
    private var held: UInt32 = 0
    private var count: UInt32 = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func write(_ value: UInt32, count: UInt32) {
      held |= value << self.count
      self.count += count
      while self.count >= 8 {
        bytes.append(UInt8(truncatingIfNeeded: held))
        held >>= 8
        self.count -= 8
      }
    }

    /// Huffman codes are written with their highest bit first.
    mutating func writeCode(_ code: UInt32, count: UInt32) {
      for bit in (0..<count).reversed() { write(code >> bit & 1, count: 1) }
    }

    var finished: [UInt8] { count == 0 ? bytes : bytes + [UInt8(truncatingIfNeeded: held)] }
  }
}
