import Testing

@testable import OAuthClient

@Suite struct ServerMetadataTests {
  private static let issuer = "https://auth.example"

  private func parse(_ members: String) throws -> ServerMetadata {
    let document = #"{"issuer":"https://auth.example","token_endpoint":"https://auth.example/token"\#(members)}"#
    return try ServerMetadata(parsing: Array(document.utf8), issuer: Self.issuer)
  }

  @Test(
    "what is not needed may be unfit: it is as if it were not there",
    arguments: [
      #""""#, #""http://10.0.0.1/x""#, #""ftp://auth.example/x""#, "7", "null", "{}",
    ])
  func unfit(_ value: String) throws {
    let read = try parse(
      #","introspection_endpoint":\#(value),"revocation_endpoint":\#(value),"mtls_endpoint_aliases":{"token_endpoint":\#(value)}"#
    )
    #expect(read.introspectionEndpoint == nil && read.revocationEndpoint == nil)
    #expect(read.mtlsEndpointAliases?.tokenEndpoint == nil)
    #expect(read.tokenEndpoint == "https://auth.example/token")
  }

  @Test("without jwks_uri there are no keys, which is said when they are needed")
  func withoutKeys() throws {
    let read = try parse("")
    let failure = #expect(throws: AcquisitionFailure.self) { try read.keyLocation }
    #expect(failure?.code == .discoveryIncomplete)
    #expect(throws: AcquisitionFailure.self) { try parse(#","jwks_uri":"http://auth.example/keys""#) }
  }
}
