package import Base

/// A value of a TOML 1.0 document, with its place in the source.
package struct TOMLNode {
  package enum Content {
    /// Any string. The parser cannot know which ones are secret, so it treats all of them as secrets.
    case string(Secret)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    /// A date, a time or both. No setting has such a value, so its text is not stored.
    case dateTime
    case array([TOMLNode])
    case table(TOMLMap)
    /// A value that is not TOML; its syntax error is among the document's errors.
    case invalid
  }

  package var content: Content
  /// The bytes of the value in the source, quotes and brackets included.
  package var range: Range<Int>

  /// Whether it is an integer written as `0o640`.
  package var isOctal = false

  /// The kind of value for a message: "a string", "an integer".
  package var kind: String {
    switch content {
    case .string: "a string"
    case .integer: "an integer"
    case .float: "a floating-point number"
    case .boolean: "a boolean"
    case .dateTime: "a date or time"
    case .array: "an array"
    case .table: "a table"
    case .invalid: "nothing readable"
    }
  }
}

/// A key and its value.
package struct TOMLEntry {
  package let name: String
  /// The bytes of this part of the key (`c` in `a.b.c = 1`), quotes included.
  package var nameRange: Range<Int>
  /// The bytes of the whole entry for a message: the whole dotted key, or the `[header]`.
  package var statement: Statement
  package var value: TOMLNode

  package init(name: String, nameRange: Range<Int>, statement: Statement, value: TOMLNode) {
    self.name = name
    self.nameRange = nameRange
    self.statement = statement
    self.value = value
  }

  package enum Statement {
    /// `a.b.c = value`: the range of `a.b.c`.
    case assignment(Range<Int>)
    /// `[a.b.c]` or `[[a.b.c]]`, brackets included.
    case header(Range<Int>)
  }
}

/// A table, with its entries in the order of the source.
///
/// It is a reference type because a header anywhere in a document can add to a table from before. It exists only while
/// the file is read.
package final class TOMLMap {
  /// How the table was created. It decides which statements can add to it (TOML 1.0, "Table", "Inline Table").
  package enum Origin {
    /// By a header of a table in it. A header of its own can follow.
    case implicit
    /// By a `[header]` of its own, or an element of an array of tables.
    case header
    /// By a dotted key: only dotted keys of the same section add to it.
    case dotted
    /// `{ ... }`: nothing adds to it.
    case inline
  }

  package private(set) var entries: [TOMLEntry] = []
  private var places: [String: Int] = [:]
  var origin: Origin
  /// Whether a statement in this table could not be read. The absence of a key means nothing then.
  package var isDamaged = false

  package init(_ origin: Origin) { self.origin = origin }

  package subscript(name: String) -> TOMLEntry? {
    places[name].map { entries[$0] }
  }

  /// Adds an entry, or replaces the one with its name.
  func set(_ entry: TOMLEntry) {
    if let place = places[entry.name] {
      entries[place] = entry
    } else {
      places[entry.name] = entries.count
      entries.append(entry)
    }
  }
}

/// An error in the text of a TOML document. The message never quotes the text, which can be a secret.
package struct TOMLSyntaxError: Error {
  /// The offset of the first byte that is wrong.
  package var offset: Int
  package var message: String
  /// The offset of the earlier key or table that this one conflicts with.
  package var earlier: Int?
  /// The key of the value with the error, if it could be read.
  package var key: (names: [String], range: Range<Int>)?
  /// Whether the following text can be inside of a string. If it is, a message about it could show a part of the
  /// string.
  var endsReading = false
}

/// A TOML document as far as it could be read.
package struct TOMLDocument {
  package var root: TOMLMap
  /// The errors, in the order of the source.
  package var errors: [TOMLSyntaxError]
  /// Whether the end was reached. If it was not, the absence of a table means nothing.
  var isComplete: Bool
}
