import Base
import HTTP

/// The end of a failure's message. It names the setting that helps with a server of this kind.
///
/// A server cannot set any of them. The administrator decides.
enum SettingAdvice {
  /// For an introspection endpoint that rejects the client, as IdentityServer's does unless it is an API.
  static let introspectionClient =
    "if it wants other credentials than the client's, such as the API's, set [token.NAME.introspection]"
  /// For an introspection endpoint that calls a new token inactive. RFC 7662, 2.2 permits that if the client is not
  /// allowed to introspect the token.
  static let introspectionPermission =
    "a server also says so if the client may not introspect it: see [token.NAME.introspection]"
  /// For a server that rejects a client assertion without a certificate's thumbprint.
  static let assertionCertificate =
    "if the server wants x5t, as Entra ID and AD FS do, set assertion_certificate_file"
  /// For an issuer without a document at the two usual places.
  static let discovery = "if the server has its discovery document elsewhere, set discovery_url"

  /// For a discovery document at `location` that has another issuer; nil if the name cannot be an issuer.
  static func issuer(_ named: String, at location: String?) -> String? {
    guard isPlain(named), !named.contains("?"), (try? Endpoint(named)) != nil else { return nil }
    let advice = "if its operator confirms that name, set issuer = \"\(named)\""
    guard let location, !ServerMetadata.locations(of: named).contains(location) else { return advice }
    return advice + " and discovery_url = \"\(location)\""
  }

  /// For a token whose issuer the discovery document announces as `access_token_issuer`, as AD FS does; nil otherwise.
  static func accessTokenIssuer(of token: Secret, announcedBy metadata: ServerMetadata) -> String? {
    guard let announced = metadata.accessTokenIssuer, isPlain(announced),
      let token = try? CompactToken(token.withBytes { Array($0) }),
      let claims = try? TokenPart("claims set", token.claims), let issuer = try? claims.text("iss"),
      issuer.isExactly(announced)
    else { return nil }
    return "the discovery document announces that issuer: set access_token_issuer = \"\(announced)\""
  }

  /// Whether a message can show `text` as it is, as the value of a setting.
  private static func isPlain(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 200
      && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
  }
}

extension AcquisitionFailure {
  /// This failure, with advice at the end of its message.
  func adding(_ advice: String?) -> AcquisitionFailure {
    guard let advice else { return self }
    var copy = self
    copy.message += "; " + advice
    return copy
  }

  /// The failure of a discovery document without a member that a setting can replace.
  static func lacking(_ member: String, issuer: String) -> AcquisitionFailure {
    AcquisitionFailure(
      .discoveryIncomplete,
      "the discovery document of \(issuer) lacks \(member); if the server has one, set \(member)")
  }
}
