import Testing
@testable import Base
@testable import OAuth

@Suite struct ServerMetadataTests {
  private static let issuer = "https://auth.example"

  private func parse(_ members: String) throws -> ServerMetadata {
    let document = #"{"issuer":"https://auth.example","token_endpoint":"https://auth.example/token"\#(members)}"#
    return try ServerMetadata(parsing: Array(document.utf8), issuer: Self.issuer)
  }

  @Test(
    "what is not needed may be unfit: it is as if it were not there",
    arguments: [
      #""""#, #""http://10.0.0.1/x""#, #""http://localhost/x""#, #""http://127.0.0.1:1/x""#,
      #""http://[::1]/x""#, #""ftp://auth.example/x""#, "7", "null", "{}",
    ])
  func unfit(_ value: String) throws {
    let read = try parse(
      #","introspection_endpoint":\#(value),"revocation_endpoint":\#(value),"#
        + #""mtls_endpoint_aliases":{"token_endpoint":\#(value)}"#
    )
    #expect(read.introspectionEndpoint == nil && read.revocationEndpoint == nil)
    #expect(read.mtlsEndpointAliases?.tokenEndpoint == nil)
    #expect(read.tokenEndpoint == "https://auth.example/token")
  }

  @Test(
    "a document that holds a member twice is refused",
    arguments: [
      #","issuer":"https://auth.example""#, #","token\u005fendpoint":"https://other.example/token""#,
      #","x":{"y":[{"z":1,"z":1}]}"#,
    ])
  func duplicateMembers(_ members: String) throws {
    let failure = #expect(throws: AcquisitionFailure.self) { try parse(members) }
    #expect(failure?.code == .malformedAnswer && failure?.message.contains("twice") == true)
  }

  @Test("without jwks_uri there are no keys, which is said when they are needed")
  func withoutKeys() throws {
    let read = try parse("")
    let failure = #expect(throws: AcquisitionFailure.self) { try read.keyLocation }
    #expect(failure?.code == .discoveryIncomplete)
    #expect(throws: AcquisitionFailure.self) { try parse(#","jwks_uri":"http://auth.example/keys""#) }
  }

  @Test(
    "no server elsewhere has secrets sent in clear to this very host",
    arguments: ["http://localhost:8080/token", "http://127.0.0.1/token", "http://[::1]:1/token"])
  func loopback(_ endpoint: String) throws {
    for member in ["token_endpoint", "jwks_uri"] {
      let members = ["token_endpoint": "https://auth.example/token", "jwks_uri": "https://auth.example/keys"]
        .merging([member: endpoint]) { $1 }.map { #""\#($0)":"\#($1)""# }.joined(separator: ",")
      let document = Array(#"{"issuer":"https://auth.example",\#(members)}"#.utf8)
      let failure = #expect(throws: AcquisitionFailure.self) {
        try ServerMetadata(parsing: document, issuer: Self.issuer)
      }
      #expect(failure?.code == .insecureEndpoint && failure?.message.contains(member) == true)
    }
    let own =
      #"{"issuer":"http://localhost:7","token_endpoint":"\#(endpoint)","introspection_endpoint":"\#(endpoint)"}"#
    let read = try ServerMetadata(parsing: Array(own.utf8), issuer: "http://localhost:7")
    #expect(
      read.tokenEndpoint == endpoint && read.introspectionEndpoint == endpoint, "an issuer on this host may be http")
  }

  @Test("a byte-order mark is passed over")
  func byteOrderMark() throws {
    let document = #"{"issuer":"https://auth.example","token_endpoint":"https://auth.example/token"}"#
    let read = try ServerMetadata(parsing: [0xEF, 0xBB, 0xBF] + Array(document.utf8), issuer: Self.issuer)
    #expect(read.tokenEndpoint == "https://auth.example/token")
  }

  @Test(
    "the issuer is compared to the letter",
    arguments: ["https://auth.example/", "https://Auth.example", "https://auth.example "])
  func issuer(_ named: String) {
    let document = #"{"issuer":"\#(named)","token_endpoint":"https://auth.example/token"}"#
    let failure = #expect(throws: AcquisitionFailure.self) {
      try ServerMetadata(parsing: Array(document.utf8), issuer: Self.issuer)
    }
    #expect(failure?.code == .issuerMismatch)
  }

  @Test(
    "OpenID Connect's place, then RFC 8414's: between host and path",
    arguments: [
      ("https://a.example", "https://a.example", ""), ("https://a.example/", "https://a.example", ""),
      ("https://a.example:8/t/1", "https://a.example:8", "/t/1"), ("https://a.example/t/", "https://a.example", "/t"),
    ])
  func locations(_ issuer: String, _ host: String, _ path: String) {
    #expect(
      ServerMetadata.locations(of: issuer) == [
        host + path + "/.well-known/openid-configuration", host + "/.well-known/oauth-authorization-server" + path,
      ])
  }

  @Test("who shows a certificate goes to the aliases, by whatever it proves itself (RFC 8705, 5)")
  func aliases() throws {
    let read = try parse(
      #","introspection_endpoint":"https://auth.example/i","#
        + #""mtls_endpoint_aliases":{"token_endpoint":"https://mtls.example/t"}"#
    )
    #expect(read.tokenEndpoint(byCertificate: true) == "https://mtls.example/t")
    #expect(read.tokenEndpoint(byCertificate: false) == "https://auth.example/token")
    #expect(read.introspectionEndpoint(byCertificate: true) == "https://auth.example/i")
  }
}
