package import Base
import Files
package import HTTP
package import OAuth
import Settings

extension TokenSettings {
  /// What a token must be to be published.
  package var policy: AccessTokenPolicy {
    AccessTokenPolicy(
      issuer: issuer, audience: audience, clientID: clientID, scopes: scope,
      requiresAccessTokenType: requiresAccessTokenType)
  }

  /// What to ask with, secrets and key read now: what was rotated in its file is used at once.
  ///
  /// - Parameters:
  ///   - preferred: what the server took last.
  ///   - userID: whose files they may be, beside root's; nil: this process's user's.
  /// - Throws: `credentials` if a secret or key cannot be read, or others can read it.
  package func request(
    preferring preferred: ClientAuthentication? = nil, as userID: UInt32? = nil
  ) throws(AcquisitionFailure) -> TokenRequest {
    let environment = environment(of: userID)
    return TokenRequest(
      clientID: clientID, credentials: try credentials(preferring: preferred, environment), scope: scope,
      parameters: parameters,
      confidential: confidential, verification: verification, policy: policy, timeout: timeout)
  }

  /// Whether a request needs secrets or keys that stand in files of their own.
  var readsFiles: Bool {
    let hasSecretFile = secrets.contains { if case .file = $0 { true } else { false } }
    return hasSecretFile || privateKeyFile != nil || clientCertificateFile != nil
  }

  /// The same for files on a file system that may hang.
  ///
  /// - Returns: also `credentials` if the files were not read in time.
  package func requestWithFiles(
    preferring preferred: ClientAuthentication? = nil, as userID: UInt32? = nil
  ) async -> Result<TokenRequest, AcquisitionFailure> {
    do throws(FileCalls.Overdue) {
      return try await FileCalls.run("secrets \(name)") {
        Result { () throws(AcquisitionFailure) in try request(preferring: preferred, as: userID) }
      }
    } catch {
      return .failure(AcquisitionFailure(.credentials, "\(error)"))
    }
  }

  private func credentials(
    preferring preferred: ClientAuthentication?, _ environment: RuntimeEnvironment
  ) throws(AcquisitionFailure) -> ClientCredentials {
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
    var key: ClientAssertionKey?
    do throws(AcquisitionFailure) { key = try self.key(environment) } catch {
      // A secret will do as well, where the method is left open.
      guard clientAuthentication == .auto, read.contains(where: { $0 != nil }) else { throw error }
    }
    return ClientCredentials(
      method: clientAuthentication, secrets: read, basicEncoding: basicEncoding, key: key,
      assertionAudience: assertionAudience, hasCertificate: clientCertificateFile != nil, preferred: preferred)
  }

  private func key(_ environment: RuntimeEnvironment) throws(AcquisitionFailure) -> ClientAssertionKey? {
    guard let privateKeyFile else { return nil }
    let pem: Secret
    do throws(FileRefusal) {
      pem = try ProtectedFile.read(privateKeyFile, rules: environment.fileRules, limit: Self.longestKeyFile)
    } catch {
      throw AcquisitionFailure(.credentials, "\(error)")
    }
    do throws(ClientAssertionFailure) {
      return try ClientAssertionKey(pem: pem, algorithm: assertionAlgorithm, keyID: keyID)
    } catch {
      throw AcquisitionFailure(.credentials, "\(privateKeyFile): \(error.message)")
    }
  }

  /// An RSA key of 16384 bits in PEM has 13 KiB.
  private static let longestKeyFile = 64 * 1024

  /// Whether it depends on the server by which method, or in which encoding, the client proves who it is.
  var leavesClientAuthenticationOpen: Bool {
    clientAuthentication == .auto || (clientAuthentication == .basic && basicEncoding == .auto)
  }

  /// RFC 8707, 2: a parameter for each resource.
  private var parameters: [(name: String, value: String)] {
    resource.map { ("resource", $0) } + (requestAudience.map { [("audience", $0)] } ?? [])
      + extraParameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Those of the further parameters that may be secret: all that do not say what other settings say openly.
  private var confidential: [Secret] {
    let open = [issuer, clientID] + scope + resource + audience + (requestAudience.map { [$0] } ?? [])
    return extraParameters.values.filter { !open.contains($0) }.map { Secret($0) }
  }

  /// The way to the server.
  ///
  /// - Parameter userID: whose its files may be, beside root's; nil: this process's user's.
  package func transport(as userID: UInt32?) -> TransportSettings {
    TransportSettings(
      caFile: caFile, clientCertificateFile: clientCertificateFile, clientKeyFile: clientKeyFile,
      pinnedPublicKey: pinnedPublicKey, proxy: proxy, fileRules: environment(of: userID).fileRules)
  }

  /// The way to the server for this process's user.
  package var transport: TransportSettings { transport(as: nil) }

  /// What its files are read in.
  private func environment(of userID: UInt32?) -> RuntimeEnvironment {
    var environment = RuntimeEnvironment.current
    environment.allowsGroupRead = allowsGroupRead
    if let userID { environment.userID = userID }
    return environment
  }
}
