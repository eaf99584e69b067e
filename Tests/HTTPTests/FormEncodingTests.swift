import Testing
import Base
import HTTP

@Suite struct FormEncodingTests {
  @Test func encodesRFC6749AppendixB() {
    // The example of the appendix: space, %, &, +, £, €.
    #expect(FormEncoding.encoded(.text(" %&+£€")).exposed == "+%25%26%2B%C2%A3%E2%82%AC")
  }

  @Test func encodesEveryByteOfASCII() {
    let stays = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._".utf8)
    for byte in UInt8(0)...127 {
      let hex = (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      let text = String(decoding: [byte], as: UTF8.self)
      let expected = stays.contains(byte) ? text : byte == 0x20 ? "+" : "%\(hex)"
      #expect(FormEncoding.encoded(.secret(Secret([byte]))).exposed == expected)
    }
  }

  @Test func writesTheFieldsInOrder() {
    let body = FormEncoding.body([
      ("grant_type", "client_credentials"), ("scope", "a b"), ("client id", ""),
      ("client_secret", .secret(Secret("s3cret/with+odd&chars=%"))), ("scope", "again"),
    ])
    #expect(
      body.exposed
        == "grant_type=client_credentials&scope=a+b&client+id=&"
        + "client_secret=s3cret%2Fwith%2Bodd%26chars%3D%25&scope=again"
    )
  }

  @Test func writesNothingForNoFields() {
    #expect(FormEncoding.body([]).count == 0)
    #expect(FormEncoding.encoded("").count == 0)
  }

  @Test func takesBytesThatAreNoText() {
    #expect(FormEncoding.encoded(.secret(Secret([0xff, 0x00, 0x80]))).exposed == "%FF%00%80")
  }

  @Test func doesNotShowSecrets() {
    let value = FormValue.secret(Secret("hush"))
    #expect(!"\(value)".contains("hush"))
    #expect(!"\(FormEncoding.body([("a", value)]))".contains("hush"))
  }
}
