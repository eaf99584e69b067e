import OAuthClient

extension TokenSettings {
  /// What a token must be to be published.
  var policy: AccessTokenPolicy {
    AccessTokenPolicy(
      issuer: issuer, audience: audience, clientID: clientID, scopes: scope,
      requiresAccessTokenType: requiresAccessTokenType)
  }

  /// What to ask with, the secrets read now, and which of the settings' secrets each of the request's is.
  ///
  /// - Parameter preferred: the index of the secret to try first.
  /// - Throws: `credentials` if a secret cannot be read.
  func request(preferring preferred: Int = 0) throws(AcquisitionFailure) -> (request: TokenRequest, order: [Int]) {
    var order = Array(self.secrets.indices)
    if let position = order.firstIndex(of: preferred) { order.swapAt(0, position) }
    var secrets: [Secret] = []
    var environment = RuntimeEnvironment.current
    environment.allowsGroupRead = allowsGroupRead
    for index in order {
      do { secrets.append(try self.secrets[index].read(in: environment)) } catch {
        // The next secret of two may not be there yet.
        if order.count > 1, index == order.last, !secrets.isEmpty { continue }
        throw AcquisitionFailure(.credentials, "\(error)")
      }
    }
    let request = TokenRequest(clientID: clientID, secrets: secrets, scope: scope, policy: policy, timeout: timeout)
    return (request, order)
  }

  /// The way to the server.
  var transport: TransportSettings {
    TransportSettings(
      caFile: caFile, clientCertificateFile: clientCertificateFile, clientKeyFile: clientKeyFile,
      pinnedPublicKey: pinnedPublicKey, proxy: proxy)
  }
}
