import Engine

/// What a reader finds in the files of all tables. File numbers are those of `SimulatedTable.outputs`.
struct SimulatedFiles {
  struct Content: Hashable {
    var token: IssuedToken
    /// Whether another process has written it.
    var isForged = false
  }

  private var contents: [Int: Content] = [:]

  /// Odd files are on a disk that can hang, and is slow. The others are in memory.
  static func isPersistent(_ file: Int) -> Bool { file % 2 == 1 }

  subscript(_ file: Int) -> Content? {
    get { contents[file] }
    set { contents[file] = newValue }
  }

  /// The files that exist.
  var numbers: Dictionary<Int, Content>.Keys { contents.keys }
}

/// A token that a server has issued, and that was verified.
struct IssuedToken: Hashable {
  let id: Int
  let digest: TokenDigest
  let table: String
  let issuer: Int
  let client: Int
  /// The key that signed it.
  let key: Int
  /// When its request was sent, on the boot-time clock.
  var sentAt: Int64
  var lifetime: Int64

  init(id: Int, table: String, issuer: Int, client: Int, key: Int, sentAt: Int64, lifetime: Int64) {
    let number = UInt64(truncatingIfNeeded: id)
    digest = TokenDigest(bytes: (0..<32).map { $0 < 8 ? UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) : 7 })
    (self.id, self.table, self.issuer, self.client, self.key) = (id, table, issuer, client, key)
    (self.sentAt, self.lifetime) = (sentAt, lifetime)
  }

  static func == (left: Self, right: Self) -> Bool { left.id == right.id && left.lifetime == right.lifetime }
  func hash(into hasher: inout Hasher) { hasher.combine(id) }

  /// From then on the API can reject it. It is a second earlier than the token states, because it states whole seconds.
  var expiresAt: Int64 { sentAt + lifetime - second }
}
