import Base
import HTTP

/// The content of a request to the token, introspection or revocation endpoint: its fields, and the client
/// authentication.
struct AuthenticatedForm {
  /// The content, with the fields of the client authentication.
  var body: Secret
  /// The `Authorization` field, for HTTP Basic.
  var authorization: Secret?
  /// The client's secrets, and the values made from them. They are removed from messages that quote the server.
  var sensitive: [Secret]

  /// Adds the client authentication to `fields`.
  ///
  /// - Parameter unixTime: The present, by the server's clock if known, because the server checks the age of an
  ///   assertion.
  /// - Throws: `credentials` if the client authentication is impossible.
  init(
    _ fields: [(String, FormValue)], of client: AuthenticatedClient, by clientAuthentication: ClientAuthentication,
    at metadata: ServerMetadata,
    unixTime: Double
  ) throws(AcquisitionFailure) {
    var fields = fields
    let credentials = client.credentials
    sensitive = credentials.secrets.compactMap { $0 }
    let secret =
      credentials.secrets.indices.contains(clientAuthentication.secretIndex)
      ? credentials.secrets[clientAuthentication.secretIndex] : nil
    let id: (String, FormValue) = ("client_id", .text(client.id))
    switch clientAuthentication.method {
    case .post, .auto:
      guard let secret else { throw Self.missing("client secret") }
      fields += [id, ("client_secret", .secret(secret))]
    case .basic:
      guard let secret else { throw Self.missing("client secret") }
      let value = BasicCredentials.authorization(
        clientID: client.id, secret: secret, encoding: clientAuthentication.encoding ?? .rfc6749)
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
          .assertion(clientID: client.id, audience: audience, unixTime: unixTime)
      } catch {
        throw AcquisitionFailure(.credentials, error.message)
      }
      fields += [
        id, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", .secret(assertion)),
      ]
      sensitive.append(assertion)
    case .tls, .selfSignedTLS:
      // RFC 8705, 2: the server looks up the certificate by the client's identifier.
      fields.append(id)
    }
    body = FormEncoding.body(fields)
  }

  private static func missing(_ what: String) -> AcquisitionFailure {
    AcquisitionFailure(.credentials, "there is no \(what) to ask with")
  }
}

/// The value of an `Authorization` field for HTTP Basic (RFC 7617), made in memory that is wiped.
enum BasicCredentials {
  /// - Parameter encoding: `raw` leaves identifier and secret as they are. Otherwise both are form-encoded first, as in
  ///   RFC 6749, 2.3.1.
  static func authorization(clientID: String, secret: Secret, encoding: BasicEncoding) -> Secret {
    let parts: (Secret, Secret) =
      encoding == .raw
      ? (Secret(clientID), secret) : (FormEncoding.encoded(.text(clientID)), FormEncoding.encoded(.secret(secret)))
    let pair = Secret(capacity: parts.0.count + 1 + parts.1.count) { pair, _ in
      parts.0.withBytes { pair.copyBytes(from: $0) }
      pair[parts.0.count] = UInt8(ascii: ":")
      parts.1.withBytes { UnsafeMutableRawBufferPointer(rebasing: pair[(parts.0.count + 1)...]).copyBytes(from: $0) }
    }
    let scheme = Array("Basic ".utf8)
    return Secret(capacity: scheme.count + (pair.count + 2) / 3 * 4) { output, _ in
      output.copyBytes(from: scheme)
      pair.withBytes { encode($0, into: UnsafeMutableRawBufferPointer(rebasing: output[scheme.count...])) }
    }
  }

  /// Base64 (RFC 4648, 4).
  private static func encode(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for place in 0..<4 {
        let index = Int(bits >> UInt32(18 - 6 * place) & 63)
        output[start / 3 * 4 + place] = place <= group.count ? alphabet[index] : UInt8(ascii: "=")
      }
    }
  }
}
