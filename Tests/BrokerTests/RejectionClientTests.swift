import CLinux
import Foundation
import TestSupport
import Testing

@testable import Base
@testable import Broker
@testable import Engine

/// A command that asks a daemon which was taken over, and what it takes for an answer.
@Suite struct RejectionClientTests {
  private static func ask(_ directory: ConfigurationDirectory) throws -> RejectionReply {
    try RejectionClient.send(.refresh(name: "konexus"), in: directory.path, limit: .seconds(20))
  }

  /// What the client makes of these bytes from one connection.
  private static func reply(
    to answer: [UInt8], staysOpen: Bool = false, limit: Duration = .seconds(20)
  ) throws -> Result<RejectionReply, RejectionClient.Failure> {
    let directory = try ConfigurationDirectory()
    let listener = try UnixSocket.listen(at: directory.path + "/reject.sock", inTheWay: "")
    let thread = Thread {
      var connection: Int32 = -1
      for _ in 0..<100 where connection < 0 {
        var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        poll(&waiting, 1, 100)
        connection = linux_accept(listener)
      }
      _ = linux_send(connection, answer, answer.count, -1)
      if staysOpen { sleep(3) }
      close(connection)
      close(listener)
    }
    thread.start()
    return Result { () throws(RejectionClient.Failure) in
      try RejectionClient.send(.refresh(name: "konexus"), in: directory.path, limit: limit)
    }
  }

  @Test(
    arguments: [
      ("newer", .newer), ("requested", .requested), ("limited 4", .limited(seconds: 4)), ("unknown", .unknown),
      ("rejected 61 invalid-client", .rejected(seconds: 61, code: "invalid-client")), ("error why", .error("why")),
    ] as [(String, RejectionReply)])
  func knowsEachAnswer(_ line: String, _ reply: RejectionReply) throws {
    #expect(try Self.reply(to: Array("\(line)\n".utf8)) == .success(reply))
    #expect(reply.line == line && RejectionReply(line: line) == reply)
  }

  @Test(
    "what is no answer is a failure, with at most 64 characters of it, escaped",
    arguments: [
      "", "newer ", " newer", "NEWER", "limited", "limited ", "limited -1", "limited x", "limited 86401",
      "limited 99999999999999999999", "limited ١", "rejected 5", "rejected x code", "rejected 5 a b", "rejected 5 ",
      "\u{1b}]0;owned\u{7}", String(repeating: "x", count: 200),
    ])
  func otherAnswers(_ line: String) throws {
    guard case .failure(let failure) = try Self.reply(to: Array("\(line)\n".utf8)) else {
      Issue.record("an answer")
      return
    }
    #expect(failure.description.contains(" answered '") && failure.description.utf8.allSatisfy { $0 != 0x1b })
    #expect(failure.description.count < 200)
  }

  @Test func readsUpToALimit() throws {
    let failure = try Self.reply(to: Array(repeating: UInt8(ascii: "x"), count: 10_000))
    guard case .failure(let failure) = failure else {
      Issue.record("an answer")
      return
    }
    #expect(failure.description.hasSuffix("answered too much"))
  }

  @Test func anAnswerWithoutItsEndIsNone() throws {
    guard case .failure(let failure) = try Self.reply(to: Array("requested".utf8)) else {
      Issue.record("an answer")
      return
    }
    #expect(failure.description.hasSuffix("ended before it answered"))
  }

  @Test func waitsForItsTimeOnly() throws {
    let began = Moment.now().monotonic
    guard case .failure(let failure) = try Self.reply(to: [], staysOpen: true, limit: .milliseconds(300)) else {
      Issue.record("an answer")
      return
    }
    #expect(failure.description.contains("did not answer within"))
    #expect(Moment.now().monotonic - began < .seconds(3))
  }

  @Test func withoutADaemonItSaysSo() throws {
    let directory = try ConfigurationDirectory()
    let missing = #expect(throws: RejectionClient.Failure.self) { try Self.ask(directory) }
    #expect(missing?.description.contains("there is no \(directory.path)/reject.sock") == true)
    close(try UnixSocket.listen(at: directory.path + "/reject.sock", inTheWay: ""))
    let dead = #expect(throws: RejectionClient.Failure.self) { try Self.ask(directory) }
    #expect(dead?.description.contains("Connection refused") == true)
  }

  @Test func connectsToNoLinkAndNoFile() throws {
    let real = try RejectionListener()
    let directory = try ConfigurationDirectory()
    try directory.link("reject.sock", to: real.path)
    #expect(throws: RejectionClient.Failure.self) { try Self.ask(directory) }
    unlink(directory.path + "/reject.sock")
    try directory.write("reject.sock", "x")
    #expect(throws: RejectionClient.Failure.self) { try Self.ask(directory) }
    #expect(real.requests.isEmpty)
    chmod(real.directory.path, 0o777)
    #expect(throws: RejectionClient.Failure.self) { try Self.ask(real.directory) }
    #expect(real.requests.isEmpty)
  }

  @Test("sends nothing to another user's socket", .enabled(if: geteuid() == 0))
  func otherUsers() throws {
    let real = try RejectionListener()
    // The daemon's user owns the directory. The file is another user's, or only the process is.
    chown(real.directory.path, 4242, 4242)
    #expect(throws: RejectionClient.Failure.self) { try Self.ask(real.directory) }
    chown(real.path, 4242, 4242)
    let failure = #expect(throws: RejectionClient.Failure.self) { try Self.ask(real.directory) }
    #expect(failure?.description.contains("another user than the owner") == true)
    #expect(real.requests.isEmpty)
  }

  // MARK: What a report is answered

  @Test func theAnswerIsOneLine() {
    func line(_ reply: ReportReply) -> String { RejectionReply(reply).line }
    #expect(line(.unknownToken) == "unknown" && line(.newerInPlace) == "newer" && line(.requested) == "requested")
    #expect(line(.rateLimited(.seconds(3.2))) == "limited 4")
    #expect(line(.rejectedByServer(.seconds(60), .invalidClient)) == "rejected 60 invalid-client")
    #expect(line(.rateLimited(.seconds(1_000_000))) == "limited 86400")
    #expect(line(.rateLimited(.seconds(-1))) == "limited 0")
  }
}
