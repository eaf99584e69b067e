import OAuthClient

extension TokenSettings {
  /// What a token must be to be published.
  var policy: AccessTokenPolicy {
    AccessTokenPolicy(
      issuer: issuer, audience: audience, clientID: clientID, scopes: scope,
      requiresAccessTokenType: requiresAccessTokenType)
  }

  /// What to ask with, secrets and key read now: what was rotated in its file is used at once.
  ///
  /// - Parameter preferred: what the server took last.
  /// - Throws: `credentials` if a secret or the key cannot be read.
  func request(preferring preferred: ClientProof? = nil) throws(AcquisitionFailure) -> TokenRequest {
    TokenRequest(
      clientID: clientID, credentials: try credentials(preferring: preferred), scope: scope, parameters: parameters,
      verification: verification, policy: policy, timeout: timeout)
  }

  private func credentials(preferring preferred: ClientProof?) throws(AcquisitionFailure) -> ClientCredentials {
    var read: [Secret?] = []
    var refusal: FileRefusal?
    for secret in secrets {
      // Of two secrets the next may not be there yet, or the former no more.
      do throws(FileRefusal) { read.append(try secret.read(in: environment)) } catch {
        read.append(nil)
        refusal = refusal ?? error
      }
    }
    if let refusal, read.allSatisfy({ $0 == nil }), clientAuthentication != .auto || privateKeyFile == nil {
      throw AcquisitionFailure(.credentials, "\(refusal)")
    }
    return ClientCredentials(
      method: clientAuthentication, secrets: read, basicEncoding: basicEncoding, key: try key(),
      assertionAudience: assertionAudience, hasCertificate: clientCertificateFile != nil, preferred: preferred)
  }

  private func key() throws(AcquisitionFailure) -> ClientAssertionKey? {
    guard let privateKeyFile else { return nil }
    let pem: Secret
    do throws(FileRefusal) {
      pem = try ProtectedFile.read(privateKeyFile, environment: environment, limit: Self.longestKeyFile)
    } catch {
      throw AcquisitionFailure(.credentials, "\(error)")
    }
    do throws(ClientAssertionFailure) {
      return try ClientAssertionKey(pem: pem, keyID: keyID)
    } catch {
      throw AcquisitionFailure(.credentials, "\(privateKeyFile): \(error.message)")
    }
  }

  /// That of this process, with what the settings allow in it.
  private var environment: RuntimeEnvironment {
    var environment = RuntimeEnvironment.current
    environment.allowsGroupRead = allowsGroupRead
    return environment
  }

  /// An RSA key of 16384 bits in PEM has 13 KiB.
  private static let longestKeyFile = 64 * 1024

  /// Whether it depends on the server by which method, or in which encoding, the client proves who it is.
  var leavesProofOpen: Bool {
    clientAuthentication == .auto || (clientAuthentication == .basic && basicEncoding == .auto)
  }

  /// RFC 8707, 2: a parameter for each resource.
  private var parameters: [(name: String, value: String)] {
    resource.map { ("resource", $0) } + (requestAudience.map { [("audience", $0)] } ?? [])
      + extraParameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The way to the server.
  var transport: TransportSettings {
    TransportSettings(
      caFile: caFile, clientCertificateFile: clientCertificateFile, clientKeyFile: clientKeyFile,
      pinnedPublicKey: pinnedPublicKey, proxy: proxy)
  }
}
