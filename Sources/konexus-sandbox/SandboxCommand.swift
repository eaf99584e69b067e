public import ArgumentParser
import Dispatch
import Glibc
public import KonexusSandbox

/// The command line of the sandbox.
@main
struct SandboxCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "konexus-sandbox",
    abstract: "An authorization server and resource server that behave as Konexus' do, with faults on demand.",
    discussion: """
      It listens on 127.0.0.1 with HTTPS, with a certificate authority, keys and certificates made at its start, and \
      prints one line once it answers. It is for demonstrations and tests: never trust its CA for anything else.

      SIGTERM and SIGINT end it, SIGUSR1 rotates the signing key, SIGUSR2 refuses connections, or accepts them again.

      EXAMPLES
        konexus-sandbox --port 8443 --control-port 8444 \\
          --ca-file ca.pem --secret-file secret
        curl --cacert ca.pem https://localhost:8443/.well-known/openid-configuration
        curl --cacert ca.pem https://localhost:8443/connect/token \\
          -d grant_type=client_credentials -d client_id=ext-1741-sample-client \\
          --data-urlencode client_secret@secret -d scope=tamarack
        curl -X POST 'http://127.0.0.1:8444/down?seconds=5'
        curl -X POST http://127.0.0.1:8444/faults \\
          -d '{"kind": "status", "status": 503, "at": ["token"]}'
        curl http://127.0.0.1:8444/        (all that the control endpoint can do)
      """)

  @Option(help: "The TCP port of the servers; with 0, any free one.")
  var port = 0

  @Option(help: "The TCP port of the control endpoint (plain HTTP on 127.0.0.1); with 0, any free one.")
  var controlPort = 0

  @Option(help: "The life of a token, in seconds.")
  var lifetime: Int64 = 3600

  @Option(help: "Where to write the certificate of the CA, in PEM.", completion: .file())
  var caFile: String?

  @Option(
    help: "The file with the client secret. If it does not exist, it is made, with mode 0600 and a random secret.",
    completion: .file())
  var secretFile: String?

  @Option(help: "The client_id.")
  var clientId = SandboxClient.sampleID

  @Option(help: "The scopes the client may ask for, with spaces between them. The API demands the first.")
  var scope = "tamarack"

  @Option(help: "The audience of the tokens.")
  var audience = "tamarack"

  @Option(help: "The path of the issuer, such as /tenant/a.")
  var issuerPath = ""

  @Option(help: "The length of RSA keys, in bits.")
  var keyBits = 4096

  @Option(help: "How tokens are signed: RS256, PS256, ES256 or EdDSA.")
  var algorithm = SigningAlgorithm.rs256

  @Flag(help: "Print only the line of readiness.")
  var quiet = false

  func validate() throws {
    guard lifetime > 0 else { throw ValidationError("--lifetime must be at least 1 second") }
    guard (2048...8192).contains(keyBits), keyBits % 8 == 0 else {
      throw ValidationError("--key-bits must be a multiple of 8 from 2048 to 8192")
    }
    guard !scope.split(separator: " ").isEmpty else { throw ValidationError("--scope must name a scope") }
  }

  func run() async throws {
    let signals = SignalStream([SIGTERM, SIGINT, SIGUSR1, SIGUSR2])
    var options = SandboxOptions()
    options.port = port
    options.controlPort = controlPort
    options.issuerPath = issuerPath
    options.algorithm = algorithm
    options.keyBits = keyBits
    options.settings.lifetime = lifetime
    options.settings.audience = [audience]
    let scopes = scope.split(separator: " ").map(String.init)
    options.settings.requiredScope = scopes[0]
    options.clients = [SandboxClient(id: clientId, secrets: [try SecretFile.secret(at: secretFile)], scopes: scopes)]
    let sandbox = try await Sandbox.start(options)
    if let caFile { try sandbox.writeCA(to: caFile) }
    say("konexus-sandbox: issuer \(sandbox.issuer), control \(sandbox.controlURL ?? "none")")
    var isDown = false
    for await signal in signals.signals {
      switch signal {
      case SIGUSR1:
        try await sandbox.rotateKeys()
        if !quiet { say("konexus-sandbox: signing with \(sandbox.currentKeyID)") }
      case SIGUSR2:
        isDown.toggle()
        if isDown { await sandbox.down() } else { try await sandbox.up() }
        if !quiet { say("konexus-sandbox: \(isDown ? "refusing connections" : "accepting connections")") }
      default:
        await sandbox.stop()
        return
      }
    }
  }

  /// Prints a line at once, also into a pipe.
  private func say(_ line: String) {
    print(line)
    fflush(nil)
  }
}

extension SigningAlgorithm: ExpressibleByArgument {}
