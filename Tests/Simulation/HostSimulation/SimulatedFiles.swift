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

/// A token that a server has issued, and that verified.
struct IssuedToken: Hashable {
  var id: Int
  var table: String
  var issuer: Int
  var client: Int
  /// The key that signed it.
  var key: Int
  /// When its request was sent, on the boot-time clock.
  var sentAt: Int64
  var lifetime: Int64

  /// From then on the API can reject it: a second earlier than it says, because it says whole seconds.
  var expiresAt: Int64 { sentAt + lifetime - second }
}
