package import Base

/// A value of a TOML 1.0 document, with its place in the source.
package struct TOMLNode {
  package enum Content {
    /// Any string. Kept as a secret until a setting that is none asks for it, for the parser cannot know.
    case string(Secret)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    /// A date, a time or both. No setting takes one, so its text is not kept.
    case dateTime
    case array([TOMLNode])
    case table(TOMLMap)
    /// A value that is no TOML; its syntax error is among the document's errors.
    case invalid
  }

  package var content: Content
  /// The bytes of the value in the source, quotes and brackets included.
  package var range: Range<Int>

  /// Whether it is an integer written as `0o640`.
  package var isOctal = false

  /// The kind of value, as a person would call it: "a string", "an integer".
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
  /// The bytes that stand for the whole entry in a message: the whole dotted key, or the `[header]`.
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
/// A reference type because headers anywhere in a document add to tables made before; it does not outlive the reading of the file.
package final class TOMLMap {
  /// How the table came to be: it decides who may add to it (TOML 1.0, "Table" and "Inline Table").
  package enum Origin {
    /// On the way to a deeper header: a header of its own may still come.
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
  /// True if a statement in this table could not be read, so that nothing may be concluded from a key's absence.
  package var isDamaged = false

  package init(_ origin: Origin) { self.origin = origin }

  package subscript(name: String) -> TOMLEntry? {
    places[name].map { entries[$0] }
  }

  /// Adds an entry, or puts it in place of the one with its name.
  func set(_ entry: TOMLEntry) {
    if let place = places[entry.name] {
      entries[place] = entry
    } else {
      places[entry.name] = entries.count
      entries.append(entry)
    }
  }
}

/// What is wrong with the text of a TOML document. The message never quotes the text: it may be a secret.
package struct TOMLSyntaxError: Error {
  /// Byte offset of the first byte that does not fit.
  package var offset: Int
  package var message: String
  /// Where what is in the way stands, if something is.
  package var earlier: Int?
  /// The key whose value is at fault, where it could be read.
  package var key: (names: [String], range: Range<Int>)?
  /// True if what follows could be the inside of a string, so that reading on might show a part of it.
  var endsReading = false
}

/// A TOML document as far as it could be read.
package struct TOMLDocument {
  package var root: TOMLMap
  /// In the order of the source.
  package var errors: [TOMLSyntaxError]
  /// False if reading stopped before the end, so that nothing may be concluded from a table's absence.
  var isComplete: Bool
}
