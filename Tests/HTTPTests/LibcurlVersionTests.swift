import Testing

@testable import HTTP

@Suite struct LibcurlVersionTests {
  @Test func versionsFrom776AreGoodEnough() {
    #expect(LibcurlVersion.fault(of: 0x07_4c_00, "7.76.0") == nil)
    #expect(LibcurlVersion.fault(of: 0x08_0e_01, "8.14.1") == nil)
    #expect(LibcurlVersion.fault == nil, "the one that this test runs with")
  }

  @Test func olderVersionsAreNamed() {
    let fault = "libcurl 7.75.0 is too old: this program needs libcurl 7.76.0 or newer"
    #expect(LibcurlVersion.fault(of: 0x07_4b_00, "7.75.0") == fault)
    #expect(LibcurlVersion.fault(of: 0, "unknown") != nil)
  }
}
