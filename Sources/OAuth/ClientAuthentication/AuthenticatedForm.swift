import Base
import HTTP

/// What a request to the token, introspection or revocation endpoint carries: its fields, and the client's proof.
struct AuthenticatedForm {
  /// The content, the proof's fields included.
  var body: Secret
  /// The `Authorization` field, for HTTP Basic.
  var authorization: Secret?
  /// All that must not be shown should the server quote it: the client's secrets, and what was made of them.
  var sensitive: [Secret]

  /// Adds the proof to `fields`.
  ///
  /// - Parameters:
  ///   - unixTime: the present time, by the server's clock if that is known: it is the server that judges an assertion's age.
  /// - Throws: `credentials` if the proof cannot be made.
  init(
    _ fields: [(String, FormValue)], of request: TokenRequest, by clientAuthentication: ClientAuthentication,
    at metadata: ServerMetadata,
    unixTime: Double
  ) throws(AcquisitionFailure) {
    var fields = fields
    let credentials = request.credentials
    sensitive = credentials.secrets.compactMap { $0 }
    let secret =
      credentials.secrets.indices.contains(clientAuthentication.secretIndex)
      ? credentials.secrets[clientAuthentication.secretIndex] : nil
    let id: (String, FormValue) = ("client_id", .text(request.clientID))
    switch clientAuthentication.method {
    case .post, .auto:
      guard let secret else { throw Self.missing("client secret") }
      fields += [id, ("client_secret", .secret(secret))]
    case .basic:
      guard let secret else { throw Self.missing("client secret") }
      let value = BasicCredentials.authorization(
        clientID: request.clientID, secret: secret, encoding: clientAuthentication.encoding ?? .rfc6749)
      authorization = value
      sensitive.append(value.withBytes { Secret($0.dropFirst("Basic ".utf8.count)) })
    case .privateKeyJWT:
      guard let key = credentials.key else { throw Self.missing("private key") }
      let audience =
        switch credentials.assertionAudience {
        case .tokenEndpoint: metadata.tokenEndpoint
        case .issuer: metadata.issuer
        }
      let assertion: Secret
      do throws(ClientAssertionFailure) {
        assertion = try key.signing(byOneOf: metadata.tokenEndpointAuthSigningAlgValuesSupported)
          .assertion(clientID: request.clientID, audience: audience, unixTime: unixTime)
      } catch {
        throw AcquisitionFailure(.credentials, error.message)
      }
      fields += [
        id, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", .secret(assertion)),
      ]
      sensitive.append(assertion)
    case .tls, .selfSignedTLS:
      // RFC 8705, 2: the identifier tells the server whose certificate it is to look for.
      fields.append(id)
    }
    body = FormEncoding.body(fields)
  }

  private static func missing(_ what: String) -> AcquisitionFailure {
    AcquisitionFailure(.credentials, "there is no \(what) to ask with")
  }
}
