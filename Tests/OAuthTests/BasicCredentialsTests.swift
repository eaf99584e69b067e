import Testing
@testable import Base
@testable import OAuth

/// HTTP Basic as RFC 6749, 2.3.1 requires it, and as several servers require it.
@Suite struct BasicCredentialsTests {
  @Test(arguments: [BasicEncoding.rfc6749, .raw]) func theExampleOfTheRFC(_ encoding: BasicEncoding) {
    let value = BasicCredentials.authorization(
      clientID: "s6BhdRkqt3", secret: Secret("7Fjfp0ZBr1KtDRbnfVdmIw"), encoding: encoding)
    #expect(value.exposed == "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
  }

  @Test func oddCharacters() {
    func pair(_ encoding: BasicEncoding) -> String {
      BasicCredentials.authorization(clientID: "a b:c", secret: Secret("s3cret/with+odd&chars=%ü"), encoding: encoding)
        .exposed
    }
    // base64 of "a+b%3Ac:s3cret%2Fwith%2Bodd%26chars%3D%25%C3%BC"
    #expect(
      pair(.rfc6749) == "Basic YStiJTNBYzpzM2NyZXQlMkZ3aXRoJTJCb2RkJTI2Y2hhcnMlM0QlMjUlQzMlQkM=")
    // base64 of "a b:c:s3cret/with+odd&chars=%ü"
    #expect(pair(.raw) == "Basic YSBiOmM6czNjcmV0L3dpdGgrb2RkJmNoYXJzPSXDvA==")
  }

  @Test func everyLength() {
    let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map { secret in
      BasicCredentials.authorization(clientID: "", secret: Secret(secret), encoding: .raw).exposed
    }
    #expect(
      texts == [
        "Basic Og==", "Basic OmY=", "Basic OmZv", "Basic OmZvbw==", "Basic OmZvb2I=", "Basic OmZvb2Jh",
        "Basic OmZvb2Jhcg==",
      ])
  }
}
