import Foundation
import Testing

@Suite struct TestSourcesTests {
  private let sources = TestSources([
    """
    @Suite("Some")
    struct SomeTests {
      @Test func inOneLine() { #expect(true) }

      @Test(
        "a sentence", .enabled(if: geteuid() == 0, "needs root"),
        arguments: [1, 2])
      func inMany(number: Int) async throws {
        try await scene { #expect(number > 0) }
      }

      @Test func byAFunction() throws {
        try first()
      }

      @Test func emptied() {}

      @Test func emptiedInMany() {
        // #expect(false)
      }

      @Test func checksNothing() throws {
        try withScene(lifetime: 4) { _ in }
      }

      @Test(.disabled("some day")) func disabled() { #expect(true) }

      @Test(
        "a sentence",
        .enabled(if: false))
      func off() {
        #expect(true)
      }

      // @Test func inAComment() { #expect(true) }

      /*
      @Test func inALongComment() { #expect(true) }
      */

      func notATest() { #expect(true) }
    }

    private func first() throws {
      second()
    }

    private func second() { #expect(true) }

    func withScene() { #expect(true) }

    @Suite(.disabled()) struct DisabledTests {
      @Test func good() { #expect(true) }
    }

    @Suite struct EmptiedTests {
      @Test func emptied() {}
    }

    extension SomeTests {
      @Test func inAnExtension() { #expect(true) }
    }
    """
  ])

  @Test(arguments: ["", ".inOneLine", ".inMany", ".byAFunction", ".inAnExtension"])
  func good(_ test: String) { #expect(sources.fault(of: "SomeTests" + test) == nil) }

  @Test(arguments: [
    "SomeTests.emptied": "it checks nothing", "SomeTests.emptiedInMany": "it checks nothing",
    "SomeTests.checksNothing": "it checks nothing", "SomeTests.disabled": "it is disabled",
    "SomeTests.off": "it is disabled", "SomeTests.inAComment": "there is no such test",
    "SomeTests.inALongComment": "there is no such test", "SomeTests.notATest": "there is no such test",
    "SomeTests.first": "there is no such test", "OtherTests": "there is no such suite",
    "DisabledTests.good": "the suite is disabled", "EmptiedTests": "it checks nothing",
  ])
  func bad(_ test: String, _ fault: String) { #expect(sources.fault(of: test) == fault) }

  /// A test that returns early without root passes untested. The trait `.enabled(if:)` shows it as skipped.
  @Test func noTestReturnsWithoutRoot() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let found = try TestSources.texts(below: tests).flatMap {
      $0.matches(of: /guard[^{\n]*geteuid[^{]*\{\s*return\s*}/)
    }
    #expect(found.map(\.output) == [])
  }
}
