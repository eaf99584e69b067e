import KonexusSandbox

/// A key pair of a client's, made when a test runs, by OpenSSL: so the daemon reads what administrators' tools write.
struct KeyPair: Sendable {
  var privatePEM: String
  var publicPEM: String

  /// - Parameter algorithm: `RSA`, `EC` (P-256) or `ED25519`.
  init(_ algorithm: String, in workplace: Workplace) async throws {
    let name = workplace.path + "/key.\(UInt64.random(in: .min ... .max))"
    let options: [String] =
      switch algorithm {
      case "RSA": ["-pkeyopt", "rsa_keygen_bits:2048"]
      case "EC": ["-pkeyopt", "ec_paramgen_curve:P-256"]
      default: []
      }
    try await Self.openssl(["genpkey", "-algorithm", algorithm, "-out", name] + options, workplace)
    try await Self.openssl(["pkey", "-in", name, "-pubout", "-out", name + ".pub"], workplace)
    privatePEM = Workplace.read(name) ?? ""
    publicPEM = Workplace.read(name + ".pub") ?? ""
  }

  static func openssl(_ arguments: [String], _ workplace: Workplace) async throws {
    let errors = workplace.path + "/openssl.errors"
    let process = try ChildProcess(
      ["openssl"] + arguments, environment: ["PATH": "/usr/bin:/bin"], errors: errors)
    while process.ending == nil { try await Task.sleep(for: .milliseconds(10)) }
    guard process.ending == .exited(0) else { throw HarnessError("openssl: \(Workplace.read(errors) ?? "")") }
  }
}
