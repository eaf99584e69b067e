import KonexusSandbox

/// What curl made of one exchange.
struct CurlResult: Sendable {
  /// curl's exit status: 0 all well, 7 refused, 28 timed out, 35 TLS handshake, 56 reset, 60 certificate, ...
  var exit: Int32
  /// The status of the answer; 0 without one.
  var status: Int
  /// The header fields, names in lower case.
  var headers: [String: String]
  var body: String
  /// All that curl wrote.
  var output: String

  var json: JSON? { try? JSON(parsing: [UInt8](body.utf8)) }
}

/// Runs curl: a client that shares no code with the sandbox.
struct Curl {
  /// The CA to trust, as PEM in a file that lives as long as this does.
  let caFile: TemporaryFile

  init(caFile: TemporaryFile) { self.caFile = caFile }

  init(trusting sandbox: Sandbox) throws {
    caFile = try TemporaryFile()
    try sandbox.writeCA(to: caFile.path)
  }

  func callAsFunction(_ url: String, _ arguments: String...) async -> CurlResult {
    await run([url] + arguments)
  }

  func run(_ arguments: [String]) async -> CurlResult {
    let fixed = ["curl", "--silent", "--include", "--noproxy", "*", "--max-time", "20", "--cacert", caFile.path]
    return await offPool { Self.exchange(fixed + arguments) }
  }

  /// Asks for a token with the client's id and secret in the body.
  func token(_ sandbox: Sandbox, secret: String? = nil, _ arguments: String...) async -> CurlResult {
    await run(
      [
        sandbox.issuer + sandbox.settings.tokenPath, "--data", "grant_type=client_credentials&scope=tamarack",
        "--data-urlencode", "client_id=\(sandbox.clientID)", "--data-urlencode",
        "client_secret=\(secret ?? sandbox.clientSecret)",
      ] + arguments)
  }

  /// Reads the subscriptions with a token.
  func subscriptions(_ sandbox: Sandbox, token: String) async -> CurlResult {
    await self(
      "https://localhost:\(sandbox.port)/api/v2/settings/subscriptions", "--header", "Authorization: Bearer \(token)")
  }

  private static func exchange(_ arguments: [String]) -> CurlResult {
    do {
      let curl = try Subprocess(arguments)
      let output = curl.readToEnd()
      return parse(output, exit: curl.wait())
    } catch {
      return CurlResult(exit: -1, status: 0, headers: [:], body: "", output: "\(error)")
    }
  }

  private static func parse(_ text: String, exit: Int32) -> CurlResult {
    // In Swift, CR LF is one character.
    let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
    let end = lines.firstIndex(of: "") ?? lines.endIndex
    var headers: [String: String] = [:]
    for line in lines[..<end].dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
    }
    let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    let body = end < lines.endIndex ? lines[(end + 1)...].joined(separator: "\r\n") : ""
    return CurlResult(exit: exit, status: status, headers: headers, body: body, output: text)
  }
}

extension SandboxOptions {
  /// A sandbox that starts at once.
  static var quick: SandboxOptions {
    var options = SandboxOptions()
    options.algorithm = .es256
    return options
  }
}

/// Starts a sandbox, gives it to `body` with a client that trusts it, and stops it.
func withSandbox(
  _ options: SandboxOptions = .quick, _ body: (Sandbox, Curl) async throws -> Void
) async throws {
  let sandbox = try await Sandbox.start(options)
  do {
    try await body(sandbox, Curl(trusting: sandbox))
  } catch {
    await sandbox.stop()
    throw error
  }
  await sandbox.stop()
}
