import Glibc
import Testing
@testable import Base

/// Remedies: real values, commands for a shell, and a fitting one for each class of fault.
@Suite struct RemedyTests {
  private static let request = FailedRequest(
    url: "https://auth.example.org/a?b=c&d", options: ["--cacert", "/etc/my ca.pem"])

  @Test func commandIsQuotedForAShell() {
    #expect(
      Self.request.curl("-v") == "curl -v --cacert '/etc/my ca.pem' 'https://auth.example.org/a?b=c&d'")
  }

  @Test(arguments: [
    ("https://auth.example.org/a", "auth.example.org"), ("https://auth.example.org:8443", "auth.example.org"),
    ("http://[::1]:9000/a", "::1"), ("https://auth.example.org?x", "auth.example.org"),
  ])
  func host(_ url: String, _ host: String) {
    #expect(FailedRequest(url: url).host == host)
  }

  @Test(arguments: FailureCode.allCases)
  func hasRealValues(_ code: FailureCode) {
    let remedy = code.remedy(for: Self.request)
    for placeholder in ["ISSUER", "HOST", "URL", "USER", "NAME"] {
      #expect(remedy.split { !$0.isLetter }.allSatisfy { $0 != placeholder }, "\(remedy)")
    }
    #expect(!remedy.contains("systemctl") && !remedy.contains("timedatectl"), "not every host has systemd: \(remedy)")
    #expect(!remedy.hasSuffix("?"), "\(remedy)")
    // A command is at the end: what follows it would be pasted too.
    if let start = remedy.firstRange(of: "curl ") {
      #expect(remedy[start.lowerBound...].wholeMatch(of: /curl -[vi] --cacert '[^']*' '[^']*'/) != nil, "\(remedy)")
    }
    #expect(code.remedy(for: nil) == code.remedy && !code.remedy.contains("curl"))
  }

  @Test func failuresOfTheConnectionShowTheRequest() {
    for code in [FailureCode.connection, .timeout, .tlsOther, .proxy] {
      #expect(code.remedy(for: Self.request).hasSuffix(Self.request.curl("-v")), "\(code)")
    }
    #expect(FailureCode.nameResolution.remedy(for: Self.request).hasSuffix(": getent ahosts auth.example.org"))
  }

  @Test func ownRemedyGoesFirst() {
    var failure = AcquisitionFailure(.credentials, "'/a' is readable by other users", remedy: "chmod 0600 /a")
    failure.request = Self.request
    #expect(failure.remedy == "chmod 0600 /a")
  }

  @Test func withoutSystemdNoCommandOfSystemd() {
    let (with, without) = (ServiceCommands(hasSystemd: true), ServiceCommands(hasSystemd: false))
    for command in [\ServiceCommands.start, \.restart, \.reload, \.status, \.log] {
      #expect(with[keyPath: command].hasPrefix("systemctl ") || with[keyPath: command].hasPrefix("journalctl "))
      #expect(!without[keyPath: command].contains("ctl"))
    }
  }

  /// A missing file is no fault of permissions, and a full disk no fault of a path.
  @Test func eachErrorHasARemedyOfItsClass() {
    func remedy(_ code: Int32) -> String { SystemError.remedy(code, at: "/run/a b/x") }
    let classes: [[Int32]] = [
      [ENOENT], [ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG], [EACCES, EPERM], [ENOSPC, EDQUOT], [EROFS], [EMFILE, ENFILE],
      [ENOMEM], [EADDRINUSE], [EIO, ESTALE, ENXIO, EUCLEAN],
    ]
    for members in classes { #expect(Set(members.map(remedy)).count == 1, "\(members)") }
    #expect(Set(classes.map { remedy($0[0]) }).count == classes.count)
    #expect(remedy(ENOENT) == "create it, or correct the path")
    #expect(remedy(ENOSPC) == "make room: df -h '/run/a b'")
    for code in [ENOENT, ENOSPC, EIO, EMFILE] {
      for word in ["sudo", "chmod", "usermod", "access"] { #expect(!remedy(code).contains(word)) }
    }
  }
}
