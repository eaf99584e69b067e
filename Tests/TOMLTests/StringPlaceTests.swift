import Testing
@testable import Base
@testable import TOML

/// Where a byte of a string's value stands in the source.
@Suite struct StringPlaceTests {
  @Test(
    arguments: [
      #"k = "a|b""#, #"k = "\t\u00e9\U0001F692\\|b""#, "k = 'C:\\é|'", "k = \"\"\"\n\n x\n|\"\"\"",
      "k = '''\r\n\r\n|\r\n'''", "k = \"\"\"a \\\n   \n  \\\"|\"\"\"", "# é\n[a]\nk = ['x', \"é|\"]", #"k = "|""#,
    ])
  func everyPlace(_ text: String) throws {
    let source = Array(text.utf8)
    try Secret(source).withBytes { bytes in
      let document = TOMLParser.parse(bytes)
      #expect(document.errors.isEmpty)
      let node = try #require(Self.lastString(document.root))
      guard case .string(let value) = node.content else { return }
      let offset = try #require(value.withBytes { $0.firstIndex(of: UInt8(ascii: "|")) })
      let place = TOMLParser.place(of: offset..<(offset + 1), inString: node.range, of: bytes)
      #expect(Array(source[place]) == Array("|".utf8), "\(text)")
      // Beyond the value: the whole string.
      #expect(TOMLParser.place(of: value.count..<value.count + 1, inString: node.range, of: bytes) == node.range)
    }
  }

  private static func lastString(_ map: TOMLMap) -> TOMLNode? {
    guard let node = map.entries.last?.value else { return nil }
    switch node.content {
    case .table(let map): return lastString(map)
    case .array(let elements): return elements.last
    default: return node
    }
  }
}
