import FoundationEssentials
import HummingbirdCore
import HummingbirdTLS

/// An authorization server and a resource server that behave like those of Konexus. They use HTTPS on this machine, and
/// have faults on demand.
///
/// ```swift
/// let sandbox = try await Sandbox.start()
/// try sandbox.writeCA(to: directory + "/ca.pem")
/// sandbox.inject(.status(503), at: [.token], requests: 3)
/// // ... a client of sandbox.issuer ...
/// #expect(sandbox.counts[.token] == 4)
/// await sandbox.stop()
/// ```
public final class Sandbox: Sendable {
  /// The TCP port of the servers.
  public let port: Int
  /// The certificate, in PEM, of the authority that a client must trust.
  public let caPEM: String
  /// The address of the control endpoint, such as `http://127.0.0.1:40001`; nil if there is none.
  public let controlURL: String?
  let state: ServerState
  let doors: Doors
  private let control: Listener?

  /// The issuer, exactly as the discovery document and the tokens name it.
  public var issuer: String { state.issuer }

  /// Starts a sandbox. After the return, it answers requests.
  /// - Throws: `SandboxError` if a port is in use. Other errors if keys or certificates cannot be made.
  public static func start(_ options: SandboxOptions = SandboxOptions()) async throws -> Sandbox {
    let port = try PortReservation(address: options.address, port: options.port)
    let mutualPort = try options.mutualTLSPort.map { try PortReservation(address: options.address, port: $0) }
    func issuer(_ port: PortReservation) -> String { "https://\(options.host):\(port.port)\(options.issuerPath)" }
    let authority = try CertificateAuthority(name: "Konexus sandbox CA")
    let state = ServerState(
      issuer: issuer(port), issuerPath: options.issuerPath, mutualTLSIssuer: mutualPort.map(issuer),
      keys: try await KeyRing(options.algorithm, bits: options.keyBits, preparesNext: options.preparesNextKey),
      authority: authority, settings: options.settings,
      clients: options.clients.isEmpty ? [Self.sampleClient] : options.clients)

    let tls = try ServerTLS(options, authority: authority)
    let responder = Responder(state: state)
    let http = HTTP1Channel(responder: { try await responder.respond($0, writer: $1, channel: $2) })
    func listener(_ port: PortReservation, _ tls: TLSChannelConfiguration) throws -> Listener {
      let base = try TLSChannel(http, configuration: tls)
      return Listener(port: port, onAccept: state.admitConnection, base: base)
    }
    var listeners = [try listener(port, tls.configuration)]
    if let mutualPort { listeners.append(try listener(mutualPort, tls.mutualConfiguration)) }
    let doors = Doors(listeners: listeners)
    try await doors.open()

    var control: Listener?
    if let controlPort = options.controlPort {
      let endpoint = ControlEndpoint(state: state, doors: doors)
      let http = HTTP1Channel(responder: { request, writer, _ in try await endpoint.respond(request, writer: writer) })
      let port = try PortReservation(address: "127.0.0.1", port: controlPort)
      control = Listener(port: port, base: http)
      try await control?.open()
    }
    return Sandbox(port: port.port, caPEM: tls.caPEM, state: state, doors: doors, control: control)
  }

  private init(port: Int, caPEM: String, state: ServerState, doors: Doors, control: Listener?) {
    self.port = port
    self.caPEM = caPEM
    self.controlURL = control.map { "http://127.0.0.1:\($0.portNumber)" }
    self.state = state
    self.doors = doors
    self.control = control
  }

  /// Ends the sandbox. Open connections are reset.
  public func stop() async {
    // Only a silent close can throw.
    try? await control?.close()
    try? await doors.close(for: nil, silently: false)
  }

  /// Writes ``caPEM`` to a file, for the client's `ca_file`.
  /// - Throws: When the file cannot be written.
  public func writeCA(to path: String) throws {
    try Data(caPEM.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// A client certificate of the sandbox's own authority, for `tls_client_auth` (RFC 8705): certificate and key in PEM.
  /// - Throws: When it cannot be made.
  public func issueClientCertificate(name: String) throws -> (certificatePEM: String, keyPEM: String) {
    let identity = try state.authority.issue(for: .client, names: [name])
    return (identity.certificatePEM, identity.keyPEM)
  }

  /// Makes a self-signed certificate for `self_signed_tls_client_auth` (RFC 8705): certificate and key in PEM.
  /// The server accepts it only after it is registered with a client.
  /// - Throws: If the certificate cannot be made.
  public static func makeSelfSignedCertificate(name: String) throws -> (certificatePEM: String, keyPEM: String) {
    let identity = try CertificateAuthority.selfSignedIdentity(name: name)
    return (identity.certificatePEM, identity.keyPEM)
  }

  private static var sampleClient: SandboxClient {
    SandboxClient(id: SandboxClient.sampleID, secrets: [TokenMint.random(bytes: 32)])
  }
}
