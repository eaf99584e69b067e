import Foundation
import Testing
import Base
import Broker
import Settings

/// The manual agrees with the code.
@Suite struct ManualTests {
  /// The directory of Package.swift.
  private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
  }

  private func page(_ name: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent("systemd/man/\(name).scd"), encoding: .utf8)
  }

  @Test func hasEveryFailureWithKindAndRemedy() throws {
    let lines = try page("konexus-tokend.8").split(separator: "\n").map(String.init)
    var rows: [[String]] = []
    for (index, line) in lines.enumerated() where line.hasPrefix("|[ ") && !line.contains("*") {
      rows.append([line, lines[index + 1], lines[index + 2]].map { String($0.dropFirst(3)) })
    }
    let documented = rows.map { $0.map { $0.replacingOccurrences(of: "\\", with: "") } }
    let request = FailedRequest(url: "https://auth.example.org/.well-known/openid-configuration")
    let actual = FailureCode.allCases.map { [$0.rawValue, $0.kind.rawValue, $0.remedy(for: request)] }
    #expect(documented == actual)
  }

  @Test func hasEveryEvent() throws {
    let lines = try page("konexus-tokend.8").split(separator: "\n")
    let ids = lines.filter { $0.hasPrefix("*") && $0.hasSuffix("*") }.map { $0.dropFirst().dropLast() }
      .filter { $0.count == 32 && $0.allSatisfy(\.isHexDigit) }.map(String.init)
    #expect(ids == EventID.allCases.map(\.rawValue))
  }

  /// Each test that a document names must exist, run and check something.
  @Test(arguments: [("SECURITY.md", 60), ("CONTRIBUTING.md", 15)])
  func namesGoodTests(document: String, least: Int) throws {
    let sources = try TestSources(below: root.appendingPathComponent("Tests"))
    let text = try String(contentsOf: root.appendingPathComponent(document), encoding: .utf8)
    var (count, suite) = (0, "")
    for quoted in text.matches(of: /`([^`\n]+)`/).map({ String($0.1) }) {
      if quoted.hasPrefix("Tests/") {
        #expect(exists(quoted), "\(quoted)")
      } else if exists("Tests/\(quoted)") {
        // A test target.
        continue
      } else if let name = quoted.wholeMatch(of: /(\w+Tests)?(\.\w+)?/), name.1 != nil || !suite.isEmpty {
        // `.function` belongs to the suite before it.
        suite = name.1.map(String.init) ?? suite
        let fault = sources.fault(of: suite + (name.2 ?? ""))
        #expect(fault == nil, "\(document): \(suite)\(name.2 ?? "")")
      } else {
        suite = ""
        continue
      }
      count += 1
    }
    #expect(count >= least, "\(document) names \(count)")
  }

  @Test func hasEveryKeyOfTheConfigFileWithItsDefault() throws {
    var table = ""
    var documented: [String] = []
    for line in try page("konexus-tokend.toml.5").split(separator: "\n").map(String.init) {
      if line.hasPrefix("# ") {
        table = line.dropFirst(2).filter { $0 != "[" && $0 != "]" }
      } else if line.hasPrefix("*"), table.contains("daemon") || table.contains("token") {
        let plain = line.replacingOccurrences(of: "*", with: "")
        documented.append("\(table) \(plain)")
      }
    }
    let actual = ConfigurationKeys.all.map { key in
      "\(key.table) \(key.name)" + (key.defaultValue.map { " = \($0)" } ?? "")
    }
    #expect(documented.sorted() == actual.sorted())
  }
}
