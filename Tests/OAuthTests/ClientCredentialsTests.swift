import Crypto
import CryptoExtras
import Testing
@testable import Base
@testable import OAuth

/// Which proofs of the client are tried, and in which order.
@Suite struct ClientCredentialsTests {
  private static let plain = Secret("plain-secret")
  private static let odd = Secret("s3cret/with+odd&chars=%")

  private func clientAuthentications(_ credentials: ClientCredentials, _ supported: [String]? = nil) -> [String] {
    credentials.clientAuthentications(supported: supported, clientID: "c").map { "\($0.description) \($0.secretIndex)" }
  }

  private func key() throws -> ClientAssertionKey {
    try ClientAssertionKey(pem: Secret(P256.Signing.PrivateKey().pemRepresentation))
  }

  @Test func theSettingsMethodAloneWhateverTheServerSays() throws {
    let secrets = [Self.plain]
    #expect(
      clientAuthentications(.init(method: .post, secrets: secrets), ["private_key_jwt"]) == ["client_secret_post 0"])
    #expect(
      clientAuthentications(.init(method: .basic, secrets: secrets), ["client_secret_post"])
        == ["client_secret_basic (form-encoded) 0"])
    #expect(clientAuthentications(.init(method: .privateKeyJWT, key: try key())) == ["private_key_jwt 0"])
    #expect(clientAuthentications(.init(method: .tls, hasCertificate: true)) == ["tls_client_auth 0"])
    #expect(
      clientAuthentications(.init(method: .selfSignedTLS, hasCertificate: true)) == ["self_signed_tls_client_auth 0"])
  }

  @Test func bothEncodingsWhereTheyDiffer() {
    let both = ["client_secret_basic (form-encoded) 0", "client_secret_basic (unencoded) 0"]
    #expect(clientAuthentications(.init(method: .basic, secrets: [Self.odd])) == both)
    #expect(clientAuthentications(.init(method: .basic, secrets: [Self.plain])) == [both[0]])
    #expect(clientAuthentications(.init(method: .basic, secrets: [Self.odd], basicEncoding: .rfc6749)) == [both[0]])
    #expect(clientAuthentications(.init(method: .basic, secrets: [Self.odd], basicEncoding: .raw)) == [both[1]])
    let oddID = ClientCredentials(method: .basic, secrets: [Self.plain])
      .clientAuthentications(supported: nil, clientID: "a:b")
    #expect(oddID.map(\.encoding) == [.rfc6749, .raw])
  }

  @Test func eachSecretAndTheOneThatWorkedLastFirst() {
    var credentials = ClientCredentials(method: .post, secrets: [Self.plain, Self.odd])
    #expect(clientAuthentications(credentials) == ["client_secret_post 0", "client_secret_post 1"])
    credentials.preferred = ClientAuthentication(.post, secretIndex: 1)
    #expect(clientAuthentications(credentials) == ["client_secret_post 1", "client_secret_post 0"])
    credentials.secrets[0] = nil
    #expect(clientAuthentications(credentials) == ["client_secret_post 1"])
  }

  @Test func whatWorkedLastThenAnotherSecretThenAnotherEncoding() {
    let credentials = ClientCredentials(
      method: .basic, secrets: [Self.odd, Secret("other+secret")],
      preferred: ClientAuthentication(.basic, encoding: .raw, secretIndex: 1))
    #expect(
      clientAuthentications(credentials) == [
        "client_secret_basic (unencoded) 1", "client_secret_basic (unencoded) 0",
        "client_secret_basic (form-encoded) 0", "client_secret_basic (form-encoded) 1",
      ])
  }

  @Test func autoTakesWhatTheServerNamesAndTheSettingsHave() throws {
    let all = ["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"]
    let rich = ClientCredentials(method: .auto, secrets: [Self.plain], key: try key(), hasCertificate: true)
    #expect(
      clientAuthentications(rich, all) == [
        "private_key_jwt 0", "tls_client_auth 0", "client_secret_post 0", "client_secret_basic (form-encoded) 0",
      ])
    // What the server does not name comes after what it names.
    #expect(
      clientAuthentications(rich, ["client_secret_post", "self_signed_tls_client_auth"]).prefix(2)
        == ["self_signed_tls_client_auth 0", "client_secret_post 0"])
    let poor = ClientCredentials(method: .auto, secrets: [Self.plain])
    #expect(clientAuthentications(poor, all).first == "client_secret_post 0")
    #expect(clientAuthentications(poor, ["client_secret_basic"]).first == "client_secret_basic (form-encoded) 0")
    // RFC 8414, 2: nothing said means client_secret_basic.
    #expect(clientAuthentications(poor, nil).first == "client_secret_basic (form-encoded) 0")
    #expect(Set(clientAuthentications(poor, ["private_key_jwt"])).count == 2, "a document may leave out what works")
    #expect(clientAuthentications(.init(method: .auto)) == [])
  }

  @Test func elsewhereTheServerMayWantAnotherMethod() {
    let credentials = ClientCredentials(method: .post, secrets: [Self.plain, Self.odd])
    func clientAuthentications(_ supported: [String]?) -> [String] {
      credentials.clientAuthentications(
        like: ClientAuthentication(.post, secretIndex: 1), supported: supported, clientID: "c"
      )
      .map { "\($0.description) \($0.secretIndex)" }
    }
    let basic = ["client_secret_basic (form-encoded) 1", "client_secret_basic (unencoded) 1"]
    // The secret that was taken may have been replaced since.
    let other = ["client_secret_post 0", "client_secret_basic (form-encoded) 0"]
    #expect(clientAuthentications(nil) == ["client_secret_post 1"] + basic + other)
    #expect(
      clientAuthentications(["client_secret_basic", "client_secret_post"]) == ["client_secret_post 1"] + basic + other)
    #expect(clientAuthentications(["client_secret_basic"]) == basic + other.reversed() + ["client_secret_post 1"])
  }

  @Test func theKeySignsByWhatTheServerTakes() throws {
    guard case .rsa(let material) = SigningKey.rsa.material else { throw CancellationError() }
    let rsa = try ClientAssertionKey(pem: Secret(material.pemRepresentation))
    #expect(rsa.signing(byOneOf: nil).algorithm == .rs256)
    #expect(rsa.signing(byOneOf: ["ES256", "PS256"]).algorithm == .ps256)
    #expect(rsa.signing(byOneOf: ["PS256", "RS256"]).algorithm == .rs256)
    #expect(rsa.signing(byOneOf: ["HS256", "none"]).algorithm == .rs256)
    #expect(try key().signing(byOneOf: ["RS256"]).algorithm == .es256)
    let chosen = try ClientAssertionKey(pem: Secret(material.pemRepresentation), algorithm: .ps256)
    #expect(
      chosen.signing(byOneOf: ["RS256"]).algorithm == .ps256, "what the settings name is not for the server to change")
  }
}
