import Base
import Glibc
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
  ) async throws(AcquisitionFailure) {
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
        assertion = try await key.signing(byOneOf: metadata.tokenEndpointAuthSigningAlgValuesSupported)
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

/// The value of an `Authorization` field for HTTP Basic (RFC 7617), made in memory that is wiped.
enum BasicCredentials {
  /// - Parameter encoding: `raw` puts identifier and secret down as they are; otherwise both are form-encoded first, as RFC 6749, 2.3.1 says.
  static func authorization(clientID: String, secret: Secret, encoding: BasicEncoding) -> Secret {
    let parts: (Secret, Secret) =
      encoding == .raw
      ? (Secret(clientID), secret) : (FormEncoding.encoded(.text(clientID)), FormEncoding.encoded(.secret(secret)))
    let length = parts.0.count + 1 + parts.1.count
    let scheme = Array("Basic ".utf8)
    return wiping(length) { pair in
      parts.0.withBytes { pair.copyBytes(from: $0) }
      pair[parts.0.count] = UInt8(ascii: ":")
      parts.1.withBytes { UnsafeMutableRawBufferPointer(rebasing: pair[(parts.0.count + 1)...]).copyBytes(from: $0) }
      return wiping(scheme.count + (length + 2) / 3 * 4) { output in
        output.copyBytes(from: scheme)
        encode(pair, into: UnsafeMutableRawBufferPointer(rebasing: output[scheme.count...]))
        return Secret(UnsafeRawBufferPointer(output))
      }
    }
  }

  private static func wiping(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Secret) -> Secret {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer {
      if let base = buffer.baseAddress { explicit_bzero(base, count) }
      buffer.deallocate()
    }
    return body(buffer)
  }

  /// Base64 (RFC 4648, 4).
  private static func encode(_ bytes: UnsafeMutableRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
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
