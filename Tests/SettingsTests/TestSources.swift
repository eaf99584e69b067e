import Foundation

/// The tests as the sources declare them, in the layout that `swift format` gives them.
///
/// A document that names a test relies on it. It must exist, run, and check something.
struct TestSources {
  private static let marks = ["#expect", "#require", "Issue.record", "confirmation("]

  private struct Function {
    var attributes = ""
    var suite = ""
    var name = ""
    var checks = false
    var calls: Set<String> = []
    var isTest: Bool { attributes.contains("@Test") }
  }

  private var functions: [Function] = []
  /// The attributes of each type that is a suite.
  private var suites: [String: String] = [:]
  /// - Parameter texts: Swift sources.
  init(_ texts: [String]) {
    for text in texts { read(text) }
    // A function that calls a checking function is checking too. The checks of `with...` functions do not count,
    // because they are not about the test's closure.
    var (checking, count): (Set<String>, Int) = ([], -1)
    while count != checking.count {
      count = checking.count
      for index in functions.indices {
        if !functions[index].calls.isDisjoint(with: checking) { functions[index].checks = true }
        if functions[index].checks, !functions[index].name.hasPrefix("with") { checking.insert(functions[index].name) }
      }
    }
  }

  /// All Swift sources below a directory.
  init(below directory: URL) throws { self.init(try Self.texts(below: directory)) }

  static func texts(below directory: URL) throws -> [String] {
    var texts: [String] = []
    let files = FileManager.default.enumerator(atPath: directory.path)
    while let file = files?.nextObject() as? String {
      guard file.hasSuffix(".swift") else { continue }
      texts.append(try String(contentsOf: directory.appendingPathComponent(file), encoding: .utf8))
    }
    return texts
  }

  /// What is wrong with a test; `nil` if nothing is. The name is `Suite.function`, or `Suite` for at least one good
  /// test.
  func fault(of name: String) -> String? {
    let parts = name.split(separator: ".").map(String.init)
    guard let suite = parts.first, let attributes = suites[suite] else { return "there is no such suite" }
    if isDisabled(attributes) { return "the suite is disabled" }
    let tests = functions.filter { $0.isTest && $0.suite == suite && (parts.count == 1 || $0.name == parts[1]) }
    guard !tests.isEmpty else { return "there is no such test" }
    let enabled = tests.filter { !isDisabled($0.attributes) }
    guard !enabled.isEmpty else { return "it is disabled" }
    return enabled.contains { $0.checks } ? nil : "it checks nothing"
  }

  private func isDisabled(_ attributes: String) -> Bool {
    attributes.contains(".disabled") || attributes.contains(".enabled(if: false")
  }

  private mutating func read(_ text: String) {
    // A test in a comment does not run.
    let code = text.replacing(/\/\*(?s:.*?)\*\//, with: "")
    let lines = code.split(separator: "\n", omittingEmptySubsequences: false)
      .filter { !$0.drop { $0 == " " }.hasPrefix("//") }
    var (suite, attributes) = ("", "")
    var index = 0
    while index < lines.count {
      let line = lines[index]
      index += 1
      if line.allSatisfy({ $0 == " " }) || line.hasPrefix("}") || line.hasPrefix("  }") {
        attributes = ""
      } else if let type = line.firstMatch(of: /^(?:@Suite.*)?\b(?:struct|class|enum|actor|extension) (\w+)/) {
        suite = String(type.1)
        suites[suite, default: ""] += attributes + line
        attributes = ""
      } else if let function = line.firstMatch(of: /^( *).*\bfunc (\w+)/) {
        // The body ends with a brace below the beginning of the declaration.
        var body = line.contains("{") && line.hasSuffix("}") ? [line] : []
        if body.isEmpty {
          let end = lines[index...].firstIndex { $0 == function.1 + "}" } ?? lines.endIndex
          body = Array(lines[index..<end])
          if function.1.count <= 2 { index = end }
        }
        functions.append(
          Function(
            attributes: attributes + line, suite: suite, name: String(function.2),
            checks: body.contains { line in Self.marks.contains { line.contains($0) } },
            calls: Set(body.flatMap { $0.matches(of: /(\w+)[({]/).map { String($0.1) } })))
        attributes = ""
      } else {
        attributes += line
      }
    }
  }
}
