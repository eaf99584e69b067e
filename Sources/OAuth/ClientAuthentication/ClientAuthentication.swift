/// One way in which a client proves who it is, as it was taken by a server. Names no secret.
public struct ClientAuthentication: Hashable, Sendable, Codable {
  /// The method; never `auto`.
  public var method: ClientAuthenticationMethod
  /// How identifier and secret stand in HTTP Basic: `rfc6749` or `raw`; `nil` for the other methods.
  public var encoding: BasicEncoding?
  /// Which of the client's secrets; 0 for the methods that need none.
  public var secretIndex: Int

  /// A proof of the given parts.
  public init(_ method: ClientAuthenticationMethod, encoding: BasicEncoding? = nil, secretIndex: Int = 0) {
    self.method = method
    self.encoding = encoding
    self.secretIndex = secretIndex
  }

  /// For people: the method, and how HTTP Basic was written if there was a choice.
  public var description: String {
    switch encoding {
    case .raw: "\(method.rawValue) (unencoded)"
    case .rfc6749: "\(method.rawValue) (form-encoded)"
    case .auto, nil: method.rawValue
    }
  }

  /// Whether its credential is a secret that the server knows as well.
  var isBySecret: Bool { method == .post || method == .basic }
}
