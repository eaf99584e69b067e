import Base

/// The `token_type` of a token response (RFC 6749, 7.1). Its case does not matter.
public enum TokenType {
  /// The type of tokens that an API accepts without a proof of possession (RFC 6750).
  public static let bearer = "Bearer"

  /// The types of tokens that an API accepts only with a proof, or never. Applications could not use them. They are
  /// from RFC 9449, RFC 9200, RFC 8693 section 2.2.1, and a draft that became no RFC.
  private static let unusable = ["DPoP", "PoP", "N_A", "mac"]

  /// Whether no setting can make a token of this type a Bearer token.
  public static func isUnusable(_ name: String) -> Bool { unusable.contains { isSame($0, name) } }

  /// Whether `accepted` includes each type that `other` includes. See `TokenRequest.tokenTypes`.
  public static func includes(_ accepted: [String], allOf other: [String]) -> Bool {
    if other.isEmpty { return accepted.isEmpty }
    return other.allSatisfy { type in isSame(bearer, type) || accepted.contains { isSame($0, type) } }
  }

  /// Compares as ASCII, because `lowercased()` turns the Kelvin sign into a k.
  private static func isSame(_ name: String, _ other: String) -> Bool {
    func lowered(_ name: String) -> some Sequence<UInt8> {
      name.utf8.lazy.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    }
    return lowered(name).elementsEqual(lowered(other))
  }

  /// Checks the type of a token response.
  ///
  /// - Parameter accepted: As in `TokenRequest.tokenTypes`.
  static func check(_ type: StrictJSON.Value?, accepted: [String]) throws(AcquisitionFailure) {
    let condition = "If the server's operator confirms that its tokens are Bearer tokens, set token_type ="
    guard let type, type.text?.isEmpty != true else {
      guard !accepted.isEmpty else { return }
      throw AcquisitionFailure(.tokenType, "the token response has no token_type. \(condition) []")
    }
    guard let name = type.text else {
      throw AcquisitionFailure(.tokenType, "the token_type of the token response is not a string")
    }
    guard !isSame(name, bearer), !accepted.contains(where: { isSame($0, name) }) else { return }
    let fault = "the token_type is \(name.quotedForMessage), not \"Bearer\""
    if isUnusable(name) {
      throw AcquisitionFailure(.tokenType, "\(fault): applications cannot use such a token")
    }
    // The value is in a form that can be pasted into the configuration.
    let isPlain =
      name.utf8.count <= 64 && name.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c }
    throw AcquisitionFailure(.tokenType, isPlain ? "\(fault). \(condition) \"\(name)\"" : fault)
  }
}
