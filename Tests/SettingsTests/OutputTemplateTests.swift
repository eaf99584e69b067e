import Testing
@testable import Base
@testable import Settings

@Suite struct OutputTemplateTests {
  /// The parts in one notation: literal text as it is, placeholders by their case in guillemets.
  private static func parts(_ text: String) throws -> String {
    try OutputTemplate(text).parts.map { part in
      switch part {
      case .literal(let text): text
      case .placeholder(let placeholder): "«\(placeholder)»"
      }
    }.joined()
  }

  @Test(
    arguments: [
      ("{token}", "«token»"),
      ("a {token} b {expires_at} c {expires_at_unix}", "a «token» b «expiresAt» c «expiresAtUnix»"),
      ("{token}{token}", "«token»«token»"),
      ("{{{token}}}", "{«token»}"),
      (#"{{"t": {{"token": "{token}"}}}}"#, #"{"t": {"token": "«token»"}}"#),
      ("{{token}} {token}", "{token} «token»"),
      ("{{}}{token}", "{}«token»"),
      ("ü{token}\t\r\n", "ü«token»\t\r\n"),
    ])
  func reads(_ text: String, _ parts: String) throws {
    #expect(try Self.parts(text) == parts)
  }

  /// Any text with doubled braces stands for itself.
  @Test func literalTextIsKept() throws {
    var generator = SplitMix64(seed: 11)
    let pieces = ["{", "}", "{{", "token", "{token}", " ", "é", "\n", "\"", "expires_at"]
    for _ in 0..<2000 {
      let text = (0..<8).compactMap { _ in pieces.randomElement(using: &generator) }.joined()
      let doubled = text.replacing("{", with: "{{").replacing("}", with: "}}")
      #expect(try OutputTemplate(doubled + "{token}").parts.first == (text.isEmpty ? nil : .literal(text)))
    }
  }

  /// For any text, a fault names a place in the text.
  @Test func faultsHavePlaces() {
    var generator = SplitMix64(seed: 12)
    let pieces = ["{", "}", "{{", "}}", "token", "{token}", "{tok", "\u{1}", "é", "\n", "expires_at"]
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...9, using: &generator)).compactMap { _ in
        pieces.randomElement(using: &generator)
      }.joined()
      do throws(OutputTemplate.Fault) {
        #expect(try OutputTemplate(text).parts.contains(.placeholder(.token)))
      } catch {
        if let range = error.range { #expect(!range.isEmpty && range.upperBound <= text.utf8.count, "\(text)") }
      }
    }
  }

  @Test func size() throws {
    let limit = OutputTemplate.sizeLimit
    let longest = String(repeating: "x", count: limit - 7) + "{token}"
    #expect(try OutputTemplate(longest).parts.count == 2)
    #expect(throws: OutputTemplate.Fault.self) { try OutputTemplate("x" + longest) }
  }

  /// Templates are in the order of the file, with the defaults of other outputs.
  @Test func settings() throws {
    let configuration = try ConfigurationText.parse(
      ConfigurationErrorCase.token(
        """
        mode = "0600"
        [[token.konexus.output]]
        format = "template"
        template = '''
        token = {token}
        '''
        [[token.konexus.output]]
        format = "template"
        path = "/run/x"
        mode = "0640"
        template = "{{{token}"
        """))
    let outputs = try #require(configuration.tokens.first?.outputs)
    #expect(
      outputs.dropFirst() == [
        TokenOutput(
          path: "/run/konexus-tokend/konexus.conf", mode: 0o600, format: .template,
          template: try OutputTemplate("token = {token}\n")),
        TokenOutput(path: "/run/x", mode: 0o640, format: .template, template: try OutputTemplate("{{{token}")),
      ])
  }
}
