import Glibc
import Logging
import Systemd
import Testing

@Suite struct JournalLogHandlerTests {
  @Test(
    arguments: [
      ("next_refresh", "NEXT_REFRESH"),
      ("error.message", "ERROR_MESSAGE"),
      ("Token-Name 2", "TOKEN_NAME_2"),
      ("_pid", "PID"),
      ("__1st", "ST"),
      ("ü", nil),
      ("über", "BER"),
      ("1", nil),
      ("", nil),
      ("message", "FIELD_MESSAGE"),
      ("code_file", "FIELD_CODE_FILE"),
      (String(repeating: "a", count: 70), String(repeating: "A", count: 64)),
    ] as [(String, String?)])
  func fieldNames(key: String, name: String?) {
    #expect(JournalLogHandler.fieldName(for: key) == name)
  }

  @Test func priorities() {
    #expect(Logger.Level.allCases.map(JournalLogHandler.priority(of:)) == [7, 7, 6, 5, 4, 3, 2])
  }

  /// libsystemd knows one address, /run/systemd/journal/socket: a mount namespace of the test's own has its own socket
  /// there.
  @Test(.enabled(if: isPrivileged, "needs CAP_SYS_ADMIN for a mount namespace"))
  func anEntryInTheJournalsOwnProtocol() async {
    await #expect(processExitsWith: .success) {
      try enterMountNamespace()
      try #require(mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0)
      try #require(mount("tmpfs", "/run", "tmpfs", 0, nil) == 0)
      for directory in ["/run/systemd", "/run/systemd/journal"] { try #require(mkdir(directory, 0o755) == 0) }
      let journal = try DatagramSocket("/run/systemd/journal/socket")

      let logger = Logger(label: "x") { _ in JournalLogHandler(identifier: "konexus-test") }
      let line = reportTwoLines(to: logger)
      let entry = try JournalEntry(try #require(journal.receive()))
      #expect(
        entry.fields == [
          "MESSAGE": ["two\nlines \\u{1b}[31m"], "PRIORITY": ["3"], "SYSLOG_IDENTIFIER": ["konexus-test"],
          "CODE_FILE": ["SystemdTests/JournalLogHandlerTests.swift"], "CODE_LINE": ["\(line)"],
          "CODE_FUNC": ["reportTwoLines(to:)"], "MESSAGE_ID": ["c772a8f9fb3c46ff8e3fd0b9a4a2c9cf"],
          "NEXT_REFRESH": ["14:32:10"], "EVIL": ["x\nPRIORITY=0"], "UID": ["0"],
        ])

      logger.info("no identity", metadata: ["message_id": "not-an-id"])
      let second = try JournalEntry(try #require(journal.receive()))
      #expect(second.fields["MESSAGE_ID"] == nil)
      #expect(second.fields["PRIORITY"] == ["6"])
    }
  }

  /// A journald that hangs: once its socket's queue is full, sendmsg(2) waits without limit.
  @Test(.enabled(if: isPrivileged, "needs CAP_SYS_ADMIN for a mount namespace"))
  func aJournalThatNobodyReadsHoldsNobodyUp() async {
    await #expect(processExitsWith: .success) {
      // A process that waits is ended by this, which is no success.
      alarm(30)
      try enterMountNamespace()
      try #require(mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) == 0)
      try #require(mount("tmpfs", "/run", "tmpfs", 0, nil) == 0)
      for directory in ["/run/systemd", "/run/systemd/journal"] { try #require(mkdir(directory, 0o755) == 0) }
      let journal = try DatagramSocket("/run/systemd/journal/socket")
      let logger = Logger(label: "x") { _ in JournalLogHandler(identifier: "konexus-test") }
      // Far more than any queue holds (net.unix.max_dgram_qlen, and the sender's buffer).
      let sent = 5000
      for number in 0..<sent { logger.info("\(number)") }
      var taken = 0
      while let datagram = journal.receive() {
        #expect(try JournalEntry(datagram).fields["MESSAGE"] == ["\(taken)"])
        taken += 1
      }
      #expect(taken > 0 && taken < sent)

      logger.info("again")
      let notice = try JournalEntry(try #require(journal.receive()))
      let loss = "\(sent - taken) log entries were lost: the log did not accept them in time"
      #expect(notice.fields["MESSAGE"] == [loss])
      #expect(notice.fields["PRIORITY"] == ["4"] && notice.fields["SYSLOG_IDENTIFIER"] == ["konexus-test"])
      #expect(try JournalEntry(try #require(journal.receive())).fields["MESSAGE"] == ["again"])
      #expect(journal.receive() == nil)
    }
  }
}

/// Outside the test's own body, which a macro moves elsewhere. Returns the line of the call.
private func reportTwoLines(to logger: Logger) -> Int {
  let line = #line + 1
  logger.error(
    "two\nlines \u{1b}[31m",
    metadata: [
      "message_id": "c772a8f9fb3c46ff8e3fd0b9a4a2c9cf", "next_refresh": "14:32:10", "evil": "x\nPRIORITY=0",
      "_uid": "0",
    ])
  return line
}

/// unshare(2) with CLONE_NEWNS for the calling thread: both are behind _GNU_SOURCE, out of Swift's sight.
private func enterMountNamespace() throws {
  let unshare = try #require(dlsym(nil, "unshare"))
  let call = unsafeBitCast(unshare, to: (@convention(c) (Int32) -> Int32).self)
  try #require(call(0x2_0000) == 0, "unshare: \(String(cString: strerror(errno)))")
}

private var isPrivileged: Bool {
  guard let file = fopen("/proc/self/status", "r") else { return false }
  defer { fclose(file) }
  var line = [CChar](repeating: 0, count: 256)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard text.hasPrefix("CapEff:"), let digits = text.split(whereSeparator: \.isWhitespace).last else { continue }
    return UInt64(digits, radix: 16).map { $0 & (1 << 21) != 0 } ?? false
  }
  return false
}

/// A datagram of the journal's native protocol: lines of the form `NAME=value`. A value with line breaks has another
/// form. It is the name, a line break, the length as 64 bits little-endian, the value and a line break.
private struct JournalEntry {
  var fields: [String: [String]] = [:]

  init(_ datagram: [UInt8]) throws {
    var rest = datagram[...]
    while !rest.isEmpty {
      let end = try #require(rest.firstIndex(of: UInt8(ascii: "\n")))
      let head = rest[..<end]
      rest = rest[(end + 1)...]
      if let equals = head.firstIndex(of: UInt8(ascii: "=")) {
        append(head[..<equals], head[(equals + 1)...])
      } else {
        let length = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(8)
        try #require(rest.count > length)
        append(head, rest.prefix(length))
        rest = rest.dropFirst(length + 1)
      }
    }
  }

  private mutating func append(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
    fields[String(decoding: name, as: UTF8.self), default: []].append(String(decoding: value, as: UTF8.self))
  }
}
