import Base
import Engine
import OAuth
import Settings

/// Secrets and keys from files, as they were when they brought a token.
final class KeptCredentials: Sendable {
  let client: ClientCredentials
  let introspectionClient: AuthenticatedClient?

  init(_ request: TokenRequest) {
    (client, introspectionClient) = (request.credentials, request.introspectionClient)
  }
}

/// The request that brought the last token: its settings, and its secrets as they were then.
///
/// New settings, or a new secret in a file, can be wrong in a way that only the server detects. This request is then
/// sent in their place when a token is due, until they have brought one.
final class WorkingRequest: Sendable {
  let settings: TokenSettings
  /// The secrets from files; `nil` if they are in the settings, or were not read since the start.
  private let credentials: KeptCredentials?
  /// The method and secret that the server accepted last.
  private let preferred: ClientAuthentication?

  init(_ settings: TokenSettings, _ credentials: KeptCredentials?, preferring preferred: ClientAuthentication?) {
    self.settings = settings
    self.credentials = credentials
    self.preferred = preferred
  }

  /// The authorization server.
  var server: ServerKey { ServerKey(of: settings) }

  /// Whether it trusts the same servers as the settings `present`.
  ///
  /// Otherwise it is not used. A server that a new pin or authority rejects can be an impostor, and must not get the
  /// secret. An attacker in the network could also reset connections, so that the new settings bring no token.
  func trusts(like present: TokenSettings) -> Bool {
    settings.caFile == present.caFile && settings.pinnedPublicKey == present.pinnedPublicKey
  }

  /// Whether its tokens differ from those of the settings `present`, so that these say nothing about them.
  func bringsOtherTokens(than present: TokenSettings) -> Bool {
    settings.requestFingerprint != present.requestFingerprint || server != ServerKey(of: present)
  }

  /// Whether this request can bring a token after one by the settings `present` failed.
  ///
  /// - Parameter request: the request that failed; `nil` if its secrets could not be read.
  func canHelp(
    after failure: AcquisitionFailure, of request: TokenRequest?, by present: TokenSettings
  ) -> Bool {
    // A server that is down would be asked twice.
    guard !failure.code.isOutage || server != ServerKey(of: present) else { return false }
    guard !present.asks(differentlyFrom: settings) else { return true }
    guard let credentials else { return false }
    guard let request else { return true }
    return !request.authenticates(like: settings.request(credentials, preferring: preferred))
  }

  /// The request.
  ///
  /// - Throws: `credentials` if its secrets must be read from files, and cannot be.
  func request() async throws(AcquisitionFailure) -> TokenRequest {
    if let credentials { return settings.request(credentials, preferring: preferred) }
    return try await settings.requestWithFiles(preferring: preferred).get()
  }
}

extension TokenSettings {
  fileprivate func request(
    _ credentials: KeptCredentials, preferring preferred: ClientAuthentication?
  ) -> TokenRequest {
    var client = credentials.client
    client.preferred = preferred
    return request(client, credentials.introspectionClient)
  }
}

extension FailureCode {
  /// Whether the server did not answer, or could not.
  fileprivate var isOutage: Bool {
    switch self {
    case .nameResolution, .connection, .proxy, .timeout, .brokenResponse, .serverError, .tooManyRequests, .serverBusy,
      .tlsUnknownAuthority, .tlsExpired, .tlsNotYetValid, .tlsHostName, .tlsPin, .tlsOther:
      true
    default: false
    }
  }
}

extension AuthorizationServer {
  /// Gets a token by a request whose secrets were read, or were not.
  func acquire(
    _ request: Result<TokenRequest, AcquisitionFailure>
  ) async -> Result<VerifiedToken, AcquisitionFailure> {
    do throws(AcquisitionFailure) {
      return .success(try await acquire(try request.get()))
    } catch {
      return .failure(error)
    }
  }

  /// Gets a token by the request that brought the last one, in the rest of the attempt's time. All exchanges of both
  /// requests together take as long as those of one can.
  func acquire(
    _ working: WorkingRequest, timeout: Duration, since began: BootTime
  ) async -> Result<VerifiedToken, AcquisitionFailure> {
    do throws(AcquisitionFailure) {
      var request = try await working.request()
      let left = timeout * 2 - (Moment.now().boot - began)
      request.timeout = max(left / 2, .seconds(1))
      return .success(try await acquire(request))
    } catch {
      return .failure(error)
    }
  }
}
