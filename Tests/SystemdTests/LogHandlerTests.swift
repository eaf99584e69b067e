import Glibc
import Logging
import Testing

@testable import Base
@testable import Systemd

@Suite struct LogHandlerTests {
  @Test(
    arguments: [
      ("token acquired", [:], "token acquired"),
      ("token acquired", ["token": "konexus", "expires_in": "3600"], "token acquired expires_in=3600 token=konexus"),
      ("m", ["issuer": "https://auth.example/x"], "m issuer=https://auth.example/x"),
      ("m", ["reason": "no such host"], #"m reason="no such host""#),
      ("m", ["empty": "", "quote": #"a"b\c"#, "equals": "a=b"], #"m empty="" equals="a=b" quote="a\"b\\c""#),
      ("m", ["message_id": "c772a8f9fb3c46ff8e3fd0b9a4a2c9cf"], "m"),
      ("one\ntwo\r\n\u{1b}[31mred\0", [:], #"one\ntwo\r\n\u{1b}[31mred\u{0}"#),
      ("m", ["k": "a\nb\tc"], #"m k="a\nb\tc""#),
      ("m", ["k": "\u{202e}gnp.exe\u{2028}\u{85}"], #"m k="\u{202e}gnp.exe\u{2028}\u{85}""#),
      ("Grüße 🌊 👩🚒\u{200d}", [:], #"Grüße 🌊 👩🚒\u{200d}"#),
    ] as [(Logger.Message, Logger.Metadata, String)])
  func text(message: Logger.Message, metadata: Logger.Metadata, line: String) {
    let time = "2026-11-24T03:20:00Z"
    #expect(StderrLogHandler().line(for: event(message, metadata), time: time) == "\(time) warning \(line)")
  }

  @Test(
    arguments: [
      ("m", [:], #""message":"m","fields":{}"#),
      ("m", ["b": "2", "a": "1"], #""message":"m","fields":{"a":"1","b":"2"}"#),
      ("m", ["list": ["1", "2"], "map": ["x": "y"]], #""message":"m","fields":{"list":["1","2"],"map":{"x":"y"}}"#),
      ("\"q\" \\ \n\r\t\u{1b}\u{7f}\u{2028}ü", [:], #""message":"\"q\" \\ \n\r\t\u001b\u007f\u2028ü","fields":{}"#),
    ] as [(Logger.Message, Logger.Metadata, String)])
  func json(message: Logger.Message, metadata: Logger.Metadata, rest: String) {
    let line = JSONLogHandler(stream: .standardOutput).line(for: event(message, metadata), time: "T")
    #expect(line == #"{"ts":"T","level":"warning","# + rest + "}")
  }

  @Test func laterMetadataWinsAndErrorsAreNamed() {
    var handler = StderrLogHandler(metadataProvider: .init { ["b": "provider", "c": "provider"] })
    handler.metadata = ["a": "handler", "b": "handler", "c": "handler"]
    var event = event("m", ["c": "event"])
    event.error = SystemCallFailure(call: "open", code: ENOENT)
    let line = handler.line(for: event, time: "T")
    #expect(
      line
        == #"T warning m a=handler b=provider c=event error="open: No such file or directory" "#
        + #"error_type=Systemd.SystemCallFailure"#
    )
  }

  @Test func aLoggerWritesWholeLines() throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    var logger = Logger(label: "x") { _ in StderrLogHandler(descriptor: ends[1]) }
    logger[metadataKey: "token"] = "konexus"
    logger.debug("not written")
    logger.info("refreshed")
    let json = Logger(label: "x") { _ in JSONLogHandler(descriptor: ends[1]) }
    json.critical("over")
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(ends[0], &buffer, buffer.count)
    let lines = String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ info refreshed token=konexus/) != nil)
    let object = /\{"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"critical","message":"over","fields":\{\}\}/
    #expect(lines.last?.wholeMatch(of: object) != nil)
  }

  /// A pipe or a socket whose reader hangs. Each in a process of its own, which is ended if it waits.
  @Test func anOutputThatNobodyReadsHoldsNobodyUp() async {
    await #expect(processExitsWith: .success) {
      alarm(30)
      for isSocket in [false, true] {
        let output = try UnreadOutput(isSocket: isSocket)
        let text = Logger(label: "x") { _ in StderrLogHandler(descriptor: output.input) }
        let sent = 5000
        for number in 0..<sent { text.info("\(number)", metadata: ["filler": "\(String(repeating: "x", count: 300))"]) }
        let lines = output.lines()
        #expect(lines.count > 10 && lines.count < sent)
        // The last may have been cut.
        for (number, line) in lines.dropLast().enumerated() {
          #expect(line.wholeMatch(of: /\S+ info \d+ filler=x{300}/) != nil && line.contains(" info \(number) "))
        }
        text.info("again")
        let after = output.lines()
        let lost = /(\d+) log entries were lost: the log did not accept them in time$/
        // What was cut off stands before a line break of its own.
        let notice = try #require(after.dropLast().last?.firstMatch(of: lost))
        #expect(try [sent - lines.count, sent - lines.count + 1].contains(#require(Int(notice.1))))
        #expect(after.last?.hasSuffix(" info again") == true)

        let json = Logger(label: "x") { _ in JSONLogHandler(descriptor: output.input) }
        // More than a pipe holds: its beginning is taken, its end is not.
        json.info("\(String(repeating: "y", count: 1 << 22))")
        #expect(output.lines().joined().contains(#""message":"yyyy"#))
        json.info("again")
        let objects = output.lines()
        #expect(objects.last?.contains(#""message":"again""#) == true)
        #expect(objects.dropLast().last?.contains(#""message":"1 log entry was lost: "#) == true)
      }
    }
  }

  @Test func settingsAreValues() {
    let first = Logger(label: "x") { _ in JournalLogHandler(identifier: "x") }
    var second = first
    second.logLevel = .error
    second[metadataKey: "k"] = "v"
    #expect(first.logLevel == .info)
    #expect(first[metadataKey: "k"] == nil)
    #expect(second[metadataKey: "k"] == "v")
  }

  private func event(_ message: Logger.Message, _ metadata: Logger.Metadata) -> LogEvent {
    LogEvent(level: .warning, message: message, metadata: metadata, source: nil, file: "F", function: "f()", line: 1)
  }
}

/// An output that is read only on request.
private struct UnreadOutput {
  let input: Int32
  private let end: Int32

  init(isSocket: Bool) throws {
    var ends: [Int32] = [-1, -1]
    try #require(
      isSocket ? socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 : pipe(&ends) == 0)
    // A socket's ends are alike; of a pipe one reads the first.
    (end, input) = (ends[0], ends[1])
    // The reader's alone: the writer's end waits, as a daemon's standard error does.
    _ = fcntl(end, F_SETFL, O_NONBLOCK)
  }

  /// What is there, taken out.
  func lines() -> [String] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(end, &buffer, buffer.count), count > 0 { all += buffer[..<count] }
    return String(decoding: all, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
