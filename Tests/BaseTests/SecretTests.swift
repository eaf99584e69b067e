import Testing
@testable import Base

@Suite struct SecretTests {
  @Test func isWrittenInPlace() {
    let secret = Secret(capacity: 8) { memory, count in
      #expect(memory.allSatisfy { $0 == 0 })
      memory.copyBytes(from: "hush".utf8)
      count = 4
    }
    #expect(secret == Secret("hush"))
    #expect(secret.count == 4)
    #expect(secret.exposed == "hush")
    #expect(secret.hashValue == Secret("hush").hashValue)
    #expect(secret != Secret("hush\0\0\0\0"))
    #expect("\(secret) \(String(reflecting: secret))" == "<secret> <secret>")
  }

  @Test func passesErrorsOn() {
    struct Failure: Error {}
    #expect(throws: Failure.self) { try Secret(capacity: 4) { _, _ in throw Failure() } }
  }
}
