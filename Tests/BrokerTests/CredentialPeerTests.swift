import Testing
@testable import Base
@testable import Broker
@testable import Settings

@Suite("The address that systemd asks for a credential from")
struct CredentialPeerTests {
  private static func peer(_ text: String) -> CredentialPeer? {
    CredentialPeer(address: text.utf8.map { $0 == UInt8(ascii: "@") ? 0 : $0 })
  }

  @Test(
    "names the unit and the credential",
    arguments: [
      ("@696af9d7ea390a4d/unit/flood-alert.service/konexus.token", "flood-alert.service", "konexus.token"),
      ("@1/unit/a.service/b", "a.service", "b"),
      ("@0086F27DF9180A52/unit/dev-sda\\x2d1.swap/konexus", "dev-sda\\x2d1.swap", "konexus"),
    ])
  func good(_ address: String, _ unit: String, _ credential: String) throws {
    let peer = try #require(Self.peer(address))
    #expect(peer.unit == unit && peer.credential == credential)
  }

  @Test("an instance's @ stands for itself")
  func instance() throws {
    let peer = try #require(CredentialPeer(address: [0] + Array("a1/unit/sync@north.service/konexus.token".utf8)))
    #expect(peer.unit == "sync@north.service")
  }

  @Test(
    "is nothing else",
    arguments: [
      "", "@", "/run/x.sock", "@/unit/a.service/b", "@1/unit/a.service", "@1/unit/a.service/", "@1/unit//b",
      "@1/user/a.service/b", "@1/units/a.service/b", "@g/unit/a.service/b", "@12345678901234567/unit/a.service/b",
      "@1/unit/a/b", "@1/unit/.service/b", "@1/unit/a./b", "@1/unit/a service.service/b", "@1/unit/a.service/b/c",
      "@1/unit/a.service/..", "@1/unit/a.service/.", "@1/unit/a.service/b:c", "@1/unit/a.service/b c",
      "@1/unit/a.service/b\n", "@1/unit/a.service/b@", "@1/unit/ä.service/b", "1/unit/a.service/b",
      "@1 /unit/a.service/b", "@-1/unit/a.service/b", "@@1/unit/a.service/b",
    ])
  func bad(_ address: String) {
    #expect(Self.peer(address) == nil)
  }

  @Test("is no longer than the kernel's")
  func long() {
    #expect(Self.peer("@1/unit/a.service/" + String(repeating: "b", count: 90)) != nil)
    #expect(Self.peer("@1/unit/a.service/" + String(repeating: "b", count: 91)) == nil)
  }

  @Test("random bytes, and addresses with one byte changed, never trap, and never let a byte through that no name has")
  func mutations() {
    var random = SplitMix64(seed: 7)
    let good = [UInt8](arrayLiteral: 0) + Array("696af9d7ea390a4d/unit/sync@north.service/konexus.token".utf8)
    for _ in 0..<100_000 {
      var address = good
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0..<address.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: address[index] = UInt8.random(in: .min ... .max, using: &random)
        case 1: address.insert(UInt8.random(in: .min ... .max, using: &random), at: index)
        default: if address.count > 1 { address.remove(at: index) }
        }
      }
      guard let peer = CredentialPeer(address: address) else { continue }
      #expect(peer.unit.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") })
      #expect(peer.credential.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") })
    }
  }

  @Test(
    "allow_units are globs over whole names, a backslash standing for itself",
    arguments: [
      (["flood-alert.service"], "flood-alert.service", true), (["flood-alert.service"], "flood-alert.servicex", false),
      (["sync@*.service"], "sync@north.service", true), (["sync@*.service"], "sync.service", false),
      (["sync@*.service"], "sync@a.service.evil.timer", false), (["a\\x2db.service"], "a\\x2db.service", true),
      (["*"], "any.service", true), ([], "any.service", false), (["a.service", "b.service"], "b.service", true),
    ])
  func globs(_ globs: [String], _ unit: String, _ admits: Bool) {
    var settings = TokenSettings(name: "konexus")
    settings.allowUnits = globs
    #expect(settings.admits(unit) == admits)
  }
}
