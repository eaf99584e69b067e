import KonexusSandbox
import Testing

@Suite("The sandbox goes away and comes back")
struct OutageTests {
  @Test("while it is down connections are refused; up it has its port again")
  func downAndUp() async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration"
      #expect(await curl(url).status == 200)
      await sandbox.down()
      let refused = await curl(url)
      #expect(refused.exit == 7, "\(refused)")
      await sandbox.down()
      #expect(await curl(url).exit == 7)
      try await sandbox.up()
      #expect(await curl(url).status == 200)
      try await sandbox.up()
      #expect(await curl(url).status == 200)
      #expect(sandbox.counts[.discovery] == 3)
    }
  }

  @Test("an outage of a given length ends by itself")
  func timed() async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration"
      let clock = ContinuousClock()
      let start = clock.now
      await sandbox.down(for: 0.5)
      var answer = await curl(url)
      while answer.exit == 7 { answer = await curl(url) }
      #expect(answer.status == 200)
      #expect(clock.now - start >= .seconds(0.5))
    }
  }

  @Test("going down cuts off the requests under way")
  func cutOff() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.inject(.hang)
      async let answer = curl(sandbox.issuer + "/.well-known/openid-configuration")
      while sandbox.counts[.discovery] == 0 { try await Task.sleep(for: .milliseconds(5)) }
      await sandbox.down()
      // 56: reset while receiving.
      #expect(await answer.exit == 56)
    }
  }

  @Test("several sandboxes live side by side")
  func sideBySide() async throws {
    try await withSandbox { first, curl in
      try await withSandbox { second, otherCurl in
        #expect(first.port != second.port)
        let token = try #require(await curl.token(first).json?["access_token"]?.string)
        #expect(await otherCurl.subscriptions(second, token: token).status == 401)
        // Neither trusts the other's CA. 60: the certificate is not to be trusted.
        #expect(await otherCurl(first.issuer + "/").exit == 60)
      }
      #expect(await curl.token(first).status == 200)
    }
  }
}
