import Foundation
import Testing
import Base
import Broker
import Settings

/// The manual says what the code does.
@Suite struct ManualTests {
  private func page(_ name: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent("systemd/man/\(name).scd"), encoding: .utf8)
  }

  @Test func hasEveryFailureWithKindAndRemedy() throws {
    let lines = try page("konexus-tokend.8").split(separator: "\n").map(String.init)
    var rows: [[String]] = []
    for (index, line) in lines.enumerated() where line.hasPrefix("|[ ") && !line.contains("*") {
      rows.append([line, lines[index + 1], lines[index + 2]].map { String($0.dropFirst(3)) })
    }
    let documented = rows.map { $0.map { $0.replacingOccurrences(of: "\\", with: "") } }
    let actual = FailureCode.allCases.map { [$0.rawValue, $0.kind.rawValue, $0.remedy] }
    #expect(documented == actual)
  }

  @Test func hasEveryEvent() throws {
    let lines = try page("konexus-tokend.8").split(separator: "\n")
    let ids = lines.filter { $0.hasPrefix("*") && $0.hasSuffix("*") }.map { $0.dropFirst().dropLast() }
      .filter { $0.count == 32 && $0.allSatisfy(\.isHexDigit) }.map(String.init)
    #expect(ids == EventID.allCases.map(\.rawValue))
  }

  @Test func theTestsThatTheThreatModelNamesAreThere() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appendingPathComponent("SECURITY.md"), encoding: .utf8)
    var sources = ""
    let files = FileManager.default.enumerator(atPath: root.appendingPathComponent("Tests").path)
    while let file = files?.nextObject() as? String {
      guard file.hasSuffix(".swift") else { continue }
      sources += try String(contentsOf: root.appendingPathComponent("Tests/\(file)"), encoding: .utf8)
    }
    let quoted = text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map(\.element)
    var count = 0
    for name in quoted {
      if name.hasPrefix("Tests/") {
        #expect(FileManager.default.fileExists(atPath: root.appendingPathComponent(String(name)).path), "\(name)")
        continue
      }
      let parts = name.split(separator: ".")
      guard let suite = parts.first, suite.hasSuffix("Tests") else { continue }
      #expect(sources.contains("struct \(suite)"), "\(name)")
      if parts.count == 2 { #expect(sources.contains("func \(parts[1])("), "\(name)") }
      count += 1
    }
    #expect(count > 20)
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
