package import Base
import Files
package import HTTP
package import OAuth
import Settings

extension TokenSettings {
  /// The requirements on a token.
  package var policy: AccessTokenPolicy {
    AccessTokenPolicy(
      issuer: issuer, accessTokenIssuer: accessTokenIssuer, audience: audience, clientID: clientID, scopes: scope,
      requiresAccessTokenType: requiresAccessTokenType)
  }

  /// The token request. Secrets and key are read now, so that a rotated one is used at once.
  ///
  /// - Parameters:
  ///   - preferred: the method and secret that the server accepted last.
  ///   - userID: the user that can own the files, beside root; `nil` for this process's user.
  /// - Throws: `credentials` if a secret or key cannot be read, or others can read it.
  package func request(
    preferring preferred: ClientAuthentication? = nil, as userID: UInt32? = nil
  ) throws(AcquisitionFailure) -> TokenRequest {
    let environment = environment(of: userID)
    return request(try credentials(preferring: preferred, environment), try introspectionClient(environment))
  }

  /// The token request with these credentials.
  func request(_ credentials: ClientCredentials, _ introspectionClient: AuthenticatedClient?) -> TokenRequest {
    var request = TokenRequest(
      clientID: clientID, credentials: credentials, scope: scope, parameters: parameters, confidential: confidential,
      tokenTypes: tokenTypes, verification: verification, policy: policy, timeout: timeout)
    request.introspectionClient = introspectionClient
    return request
  }

  private func introspectionClient(
    _ environment: RuntimeEnvironment
  ) throws(AcquisitionFailure) -> AuthenticatedClient? {
    guard let introspectionClient else { return nil }
    var settings = self
    settings.client = introspectionClient
    // The certificate is the credential of the client that requests the token.
    settings.clientCertificateFile = nil
    do throws(AcquisitionFailure) {
      return AuthenticatedClient(
        id: introspectionClient.id, credentials: try settings.credentials(preferring: nil, environment))
    } catch {
      throw AcquisitionFailure(error.code, "[token.\(name).introspection]: \(error.message)")
    }
  }

  /// Whether a request needs secrets or keys in files of their own.
  var readsFiles: Bool {
    !client.inputFiles.isEmpty || clientCertificateFile != nil || introspectionClient?.inputFiles.isEmpty == false
  }

  /// The token request, for files on a file system that may hang.
  ///
  /// - Returns: the request, or the failure `credentials`. That is also the failure if the files were not read in time.
  package func requestWithFiles(
    preferring preferred: ClientAuthentication? = nil, as userID: UInt32? = nil
  ) async -> Result<TokenRequest, AcquisitionFailure> {
    await withCheckedContinuation { continuation in
      requestWithFiles(preferring: preferred, as: userID) { continuation.resume(returning: $0) }
    }
  }

  /// Passes the same to `completion`, on any thread.
  func requestWithFiles(
    preferring preferred: ClientAuthentication?, as userID: UInt32? = nil,
    completion: @escaping @Sendable (Result<TokenRequest, AcquisitionFailure>) -> Void
  ) {
    FileCalls.run("secrets \(name)") {
      Result { () throws(AcquisitionFailure) in try request(preferring: preferred, as: userID) }
    } completion: { outcome in
      switch outcome {
      case .success(let result): completion(result)
      case .failure(let overdue): completion(.failure(AcquisitionFailure(.credentials, "\(overdue)")))
      }
    }
  }

  private func credentials(
    preferring preferred: ClientAuthentication?, _ environment: RuntimeEnvironment
  ) throws(AcquisitionFailure) -> ClientCredentials {
    var read: [Secret?] = []
    var doubt: String?
    var refusal: FileRefusal?
    for secret in secrets {
      // Of two secrets, one can be missing: the next one does not exist yet, or the previous one was removed.
      do throws(FileRefusal) {
        let examined = try secret.examine(in: environment)
        read.append(examined.secret)
        doubt = doubt ?? examined.doubt
      } catch {
        read.append(nil)
        refusal = refusal ?? error
      }
    }
    if let refusal, read.allSatisfy({ $0 == nil }), clientAuthentication != .auto || privateKeyFile == nil {
      throw AcquisitionFailure(refusal)
    }
    var key: ClientAssertionKey?
    do throws(AcquisitionFailure) { key = try self.key(environment) } catch {
      // If the method is open, a secret is enough.
      guard clientAuthentication == .auto, read.contains(where: { $0 != nil }) else { throw error }
    }
    var credentials = ClientCredentials(
      method: clientAuthentication, secrets: read, basicEncoding: basicEncoding, key: key,
      assertionAudience: assertionAudience, hasCertificate: clientCertificateFile != nil, preferred: preferred)
    credentials.secretDoubt = doubt
    return credentials
  }

  /// What is unusual about the secrets that can be read; `nil` if nothing is, or the file system does not answer.
  package func secretDoubt(as userID: UInt32?) async -> String? {
    let environment = environment(of: userID)
    let secrets = secrets
    let found = try? await FileCalls.run("secrets \(name)") {
      secrets.lazy.compactMap { try? $0.examine(in: environment).doubt }.first
    }
    return found ?? nil
  }

  private func key(_ environment: RuntimeEnvironment) throws(AcquisitionFailure) -> ClientAssertionKey? {
    guard let privateKeyFile else { return nil }
    let pem: Secret
    var certificate: Secret?
    do throws(FileRefusal) {
      pem = try ProtectedFile.read(privateKeyFile, rules: environment.fileRules, limit: Self.longestKeyFile)
      if let file = assertionCertificateFile {
        certificate = try PEMFile.readClientCertificates(file, needsKey: false, rules: environment.fileRules)
      }
    } catch {
      throw AcquisitionFailure(error)
    }
    do throws(ClientAssertionFailure) {
      return try ClientAssertionKey(pem: pem, algorithm: assertionAlgorithm, keyID: keyID, certificate: certificate)
    } catch {
      let isCertificate = [.notACertificate, .otherCertificate].contains(error.reason)
      let file = isCertificate ? assertionCertificateFile : nil
      throw AcquisitionFailure(.credentials, "\(file ?? privateKeyFile): \(error.message)")
    }
  }

  /// In bytes. An RSA key of 16384 bits in PEM has 13 KiB.
  private static let longestKeyFile = 64 * 1024

  /// Whether the server determines the method, or the encoding, of client authentication.
  var leavesClientAuthenticationOpen: Bool {
    clientAuthentication == .auto || (clientAuthentication == .basic && basicEncoding == .auto)
  }

  /// Further parameters of the request. There is one for each resource (RFC 8707, section 2).
  private var parameters: [(name: String, value: String)] {
    resource.map { ("resource", $0) } + (requestAudience.map { [("audience", $0)] } ?? [])
      + extraParameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The further parameters that can be secret. These are all whose value does not come from a public setting.
  private var confidential: [Secret] {
    let open = [issuer, clientID] + scope + resource + audience + (requestAudience.map { [$0] } ?? [])
    return extraParameters.values.filter { !open.contains($0) }.map { Secret($0) }
  }

  /// The transport settings of connections to the server.
  ///
  /// - Parameter userID: the user that can own the files, beside root; `nil` for this process's user.
  package func transport(as userID: UInt32?) -> TransportSettings {
    TransportSettings(
      caFile: caFile, clientCertificateFile: clientCertificateFile, clientKeyFile: clientKeyFile,
      pinnedPublicKey: pinnedPublicKey, proxy: proxy, fileRules: environment(of: userID).fileRules)
  }

  /// The transport settings for this process's user.
  package var transport: TransportSettings { transport(as: nil) }

  /// The environment that the files are read in.
  private func environment(of userID: UInt32?) -> RuntimeEnvironment {
    var environment = RuntimeEnvironment.current
    environment.allowsGroupRead = allowsGroupRead
    if let userID { environment.userID = userID }
    return environment
  }
}

extension AcquisitionFailure {
  /// The failure of a file with the client's secret or key.
  fileprivate init(_ refusal: FileRefusal) {
    self.init(.credentials, "'\(refusal.path.printable)' \(refusal.problem)", remedy: refusal.remedy)
  }
}
