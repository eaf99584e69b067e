import Testing
@testable import Base
@testable import Settings
@testable import TOML

/// Where keys and values stand, by what must hold for any document rather than by examples.
@Suite struct ConfigurationPositionTests {
  /// What stands at the place of a key, read alone, is that key; what stands at the place of a value is that value.
  @Test(arguments: 0..<4) func keysAndValuesStandWhereTheyAreSaidTo(_ shard: UInt64) {
    var generator = SplitMix64(seed: 1000 + shard)
    var checked = 0
    for round in 0..<600 {
      let text = round < TOMLCorpus.valid.count ? TOMLCorpus.valid[round] : TOMLCorpus.mutated(using: &generator)
      Secret(text).withBytes { bytes in
        let document = TOMLParser.parse(bytes)
        guard document.errors.isEmpty else { return }
        checked += check(document.root, ConfigurationSource(path: "x", bytes: bytes))
      }
    }
    #expect(checked > 500)
  }

  /// Lines and columns in a simple way: line breaks before the place, and characters up to it.
  @Test(arguments: TOMLCorpus.valid + ["é\n日本\n\n🚒x"]) func everyPlaceHasItsLineAndColumn(_ text: String) {
    Secret(text).withBytes { bytes in
      let source = ConfigurationSource(path: "x", bytes: bytes)
      var (line, column, offset) = (1, 1, 0)
      for (index, scalar) in text.unicodeScalars.enumerated() {
        #expect(source.position(of: offset) == Diagnostic.Position(line: line, column: column), "\(text), \(offset)")
        if scalar == "\n" {
          (line, column) = (line + 1, 1)
        } else if index > 0 || scalar != "\u{FEFF}" {
          column += 1
        }
        offset += UTF8.width(scalar)
      }
      #expect(source.position(of: offset) == Diagnostic.Position(line: line, column: column))
    }
  }

  @Test func placesInARealFile() throws {
    let text = """
      # comment
      [daemon]
      "log_level"   =   'info' # here
      [token . 'é' ]
      scope = [ # first
        "a",
          'b' ]
      x.y.z = { p = 1, "q" = [true] }
      [[token.k.output]]
        format = "raw"
      """
    let places = Secret(text).withBytes { bytes in
      let source = ConfigurationSource(path: "x", bytes: bytes)
      var places: [String] = []
      func walk(_ map: TOMLMap, _ prefix: String) {
        for entry in map.entries {
          let (name, value) = (
            source.position(of: entry.nameRange.lowerBound), source.position(of: entry.value.range.lowerBound)
          )
          places.append("\(prefix)\(entry.name) \(name.line):\(name.column) = \(value.line):\(value.column)")
          visit(entry.value, "\(prefix)\(entry.name).")
        }
      }
      func visit(_ node: TOMLNode, _ prefix: String) {
        switch node.content {
        case .table(let map): walk(map, prefix)
        case .array(let elements):
          for (index, element) in elements.enumerated() {
            let place = source.position(of: element.range.lowerBound)
            places.append("\(prefix)\(index) \(place.line):\(place.column)")
            visit(element, "\(prefix)\(index).")
          }
        default: break
        }
      }
      walk(TOMLParser.parse(bytes).root, "")
      return places
    }
    #expect(
      places == [
        "daemon 2:2 = 2:1",
        "daemon.log_level 3:1 = 3:19",
        "token 4:2 = 4:1",
        "token.é 4:10 = 4:1",
        "token.é.scope 5:1 = 5:9",
        "token.é.scope.0 6:3",
        "token.é.scope.1 7:5",
        "token.é.x 8:1 = 8:1",
        "token.é.x.y 8:3 = 8:1",
        "token.é.x.y.z 8:5 = 8:9",
        "token.é.x.y.z.p 8:11 = 8:15",
        "token.é.x.y.z.q 8:18 = 8:24",
        "token.é.x.y.z.q.0 8:25",
        "token.k 9:9 = 9:1",
        "token.k.output 9:11 = 9:1",
        "token.k.output.0 9:1",
        "token.k.output.0.format 10:3 = 10:12",
      ])
  }

  /// Checks all of `map`; returns how many entries that were.
  private func check(_ map: TOMLMap, _ source: ConfigurationSource) -> Int {
    var checked = 0
    for entry in map.entries {
      let key = source.text(entry.nameRange)
      #expect(TOMLOracle.ours("\(key) = 1") == "{\(Array(entry.name.utf8)): integer 1}", "\(key)")
      if case .assignment(let statement) = entry.statement {
        #expect(statement.contains(entry.nameRange.lowerBound))
        #expect(statement.upperBound >= entry.nameRange.upperBound)
        // A dotted key makes tables that have no text of their own.
        if entry.nameRange.upperBound == statement.upperBound { checkValue(entry.value, source) }
      } else if case .header(let header) = entry.statement {
        #expect(source.text(header).hasPrefix("[") && source.text(header).hasSuffix("]"))
        #expect(header.contains(entry.nameRange.lowerBound))
      }
      checked += 1
      switch entry.value.content {
      case .table(let inner): checked += check(inner, source)
      case .array(let elements):
        for case .table(let inner) in elements.map(\.content) { checked += check(inner, source) }
      default: break
      }
    }
    return checked
  }

  private func checkValue(_ node: TOMLNode, _ source: ConfigurationSource) {
    let text = source.text(node.range)
    Secret("v = \(text)").withBytes { bytes in
      let alone = TOMLParser.parse(bytes)
      #expect(alone.errors.isEmpty, "\(text)")
      #expect(alone.root["v"].map { TOMLOracle.show($0.value) } == TOMLOracle.show(node), "\(text)")
    }
  }
}
