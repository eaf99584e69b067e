import Glibc
import KonexusSandbox
import Testing

@Suite("The konexus-sandbox command")
struct ExecutableTests {
  /// The command beside the bundle of the tests.
  static let command: String = {
    var path = [UInt8](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &path, path.count)
    let executable = String(decoding: path[..<max(0, length)], as: UTF8.self)
    let directory =
      executable.hasSuffix(".xctest") ? executable : CommandLine.arguments.first { $0.hasSuffix(".xctest") }
    return (directory ?? executable).split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/konexus-sandbox"
  }()

  @Test("it starts, serves, hears signals and ends")
  func life() async throws {
    let caFile = try TemporaryFile()
    let secretFile = try TemporaryFile()
    unlink(secretFile.path)
    let process = try Subprocess([
      Self.command, "--algorithm", "ES256", "--ca-file", caFile.path, "--secret-file", secretFile.path, "--lifetime",
      "20", "--scope", "tamarack other",
    ])
    defer { kill(process.identifier, SIGKILL) }
    let ready = try #require(await offPool { process.readLine() })
    let words = ready.split(separator: " ")
    #expect(ready.hasPrefix("konexus-sandbox: issuer https://localhost:"))
    let issuer = String(words[2].dropLast())
    let control = String(words[4])
    var status = stat()
    #expect(lstat(secretFile.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    let curl = Curl(caFile: caFile)
    let token = await curl(
      issuer + "/connect/token", "--data",
      "grant_type=client_credentials&client_id=ext-1741-sample-client&scope=tamarack%20other", "--data-urlencode",
      "client_secret@\(secretFile.path)")
    #expect(token.json?["expires_in"] == 20)
    #expect(token.json?["scope"] == "tamarack other")
    #expect(await curl(control + "/counts").json?["tokensIssued"] == 1)

    kill(process.identifier, SIGUSR1)
    #expect(await offPool { process.readLine() }?.hasPrefix("konexus-sandbox: signing with ") == true)
    kill(process.identifier, SIGUSR2)
    #expect(await offPool { process.readLine() } == "konexus-sandbox: refusing connections")
    #expect(await curl(issuer + "/").exit == 7)
    kill(process.identifier, SIGUSR2)
    #expect(await offPool { process.readLine() } == "konexus-sandbox: accepting connections")
    #expect(await curl(issuer + "/").status == 404)
    kill(process.identifier, SIGTERM)
    #expect(await offPool { process.wait() } == 0)
  }

  @Test("a wrong command line is refused in plain words")
  func wrongArguments() async throws {
    let empty = try TemporaryFile()
    for (arguments, exit) in [
      (["--lifetime", "0"], 64), (["--algorithm", "HS256"], 64), (["--key-bits", "100"], 64),
      (["--secret-file", empty.path], 64), (["--secret-file", "/nonexistent/secret"], 64), (["--port", "99999"], 1),
    ] {
      let process = try Subprocess([Self.command] + arguments)
      #expect(await offPool { process.wait() } == Int32(exit), "\(arguments)")
    }
  }
}
