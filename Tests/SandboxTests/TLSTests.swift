import KonexusSandbox
import Testing

@Suite("TLS is good, or bad as told")
struct TLSTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var certificate: SandboxOptions.ServerCertificate
    var message: String
    var testDescription: String { "\(certificate)" }
  }

  @Test(
    "a client sees what is wrong with the certificate",
    arguments: [
      Case(certificate: .expired, message: "certificate has expired"),
      Case(certificate: .notYetValid, message: "certificate is not yet valid"),
      Case(certificate: .wrongHostName, message: "no alternative certificate subject name matches"),
      Case(certificate: .unknownAuthority, message: "unable to get local issuer certificate"),
    ])
  func certificate(_ test: Case) async throws {
    var options = SandboxOptions.quick
    options.certificate = test.certificate
    try await withSandbox(options) { sandbox, curl in
      let answer = await curl(sandbox.issuer + "/", "--show-error", "--stderr", "-")
      #expect(answer.exit == 60)
      #expect(answer.output.contains(test.message), "\(answer.output)")
      // A request that never came, but a connection that did.
      #expect(sandbox.counts.requests.isEmpty && sandbox.counts.connections >= 1)
    }
  }

  @Test("the certificate is good for the name and both addresses", arguments: ["localhost", "127.0.0.1", "[::1]"])
  func names(host: String) async throws {
    var options = SandboxOptions.quick
    options.host = host
    if host == "[::1]" { options.address = "::1" }
    try await withSandbox(options) { sandbox, curl in
      #expect(sandbox.issuer.hasPrefix("https://\(host):"))
      #expect(await curl.token(sandbox).status == 200)
    }
  }

  @Test("a server that speaks no better than TLS 1.1 gets no client of today")
  func version() async throws {
    var options = SandboxOptions.quick
    options.maximumTLSVersion = .tls11
    try await withSandbox(options) { sandbox, curl in
      #expect(await curl(sandbox.issuer + "/", "--tlsv1.2").exit == 35)
      // It does speak TLS 1.1, with one who insists.
      let old = await curl(
        sandbox.issuer + "/", "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", "--show-error",
        "--stderr", "-")
      #expect(old.status == 404, "\(old.output)")
    }
  }

  @Test("TLS 1.2 is spoken when it is the newest")
  func version12() async throws {
    var options = SandboxOptions.quick
    options.maximumTLSVersion = .tls12
    try await withSandbox(options) { sandbox, curl in
      #expect(await curl(sandbox.issuer + "/", "--tlsv1.3").exit == 35)
      #expect(await curl.token(sandbox).status == 200)
    }
  }

  @Test("a client certificate is demanded, and must be of the sandbox's CA")
  func demanded() async throws {
    var options = SandboxOptions.quick
    options.clientCertificates = .demanded
    try await withSandbox(options) { sandbox, curl in
      #expect(await curl.token(sandbox).status == 0)
      let good = try ClientCertificateFiles(sandbox.issueClientCertificate(name: "gauge"))
      #expect(await curl.run([sandbox.issuer + "/"] + good.arguments).status == 404)
      let own = try ClientCertificateFiles(Sandbox.makeSelfSignedCertificate(name: "gauge"))
      #expect(await curl.run([sandbox.issuer + "/"] + own.arguments).status == 0)
    }
  }
}

/// A client certificate and its key as files for curl.
struct ClientCertificateFiles {
  private let certificate: TemporaryFile
  private let key: TemporaryFile

  init(_ pems: (certificatePEM: String, keyPEM: String)) throws {
    certificate = try TemporaryFile(pems.certificatePEM)
    key = try TemporaryFile(pems.keyPEM)
  }

  var arguments: [String] { ["--cert", certificate.path, "--key", key.path] }
}
