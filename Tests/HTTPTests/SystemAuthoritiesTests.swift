import Glibc
import Testing
@testable import HTTP

/// The two places where a system keeps its authorities: one may know what the other does not.
@Suite(.timeLimit(.minutes(1))) struct SystemAuthoritiesTests {
  private let authority: TestAuthority
  private let bundle: TemporaryFile
  private let other: TemporaryFile

  init() throws {
    authority = try TestAuthority()
    bundle = try TemporaryFile(authority.pem)
    other = try TemporaryFile(TestAuthority("Another").pem)
  }

  /// A directory as update-ca-certificates(8) leaves it.
  private final class HashedDirectory {
    let path = "/tmp/konexus-authorities-test.\(getpid()).\(UInt64.random(in: .min ... .max))"

    init(_ file: TemporaryFile?) throws {
      try #require(mkdir(path, 0o700) == 0)
      guard let file else { return }
      try #require(system("cp '\(file.path)' '\(path)/authority.pem' && openssl rehash '\(path)'") == 0)
    }

    deinit { system("rm -r '\(path)'") }
  }

  private func client(directory: HashedDirectory, bundle: TemporaryFile) -> HTTPClient {
    HTTPClient(
      maximumBodyBytes: 1 << 20, userAgent: "test", linger: .zero,
      authorities: SystemAuthorities(directory: directory.path, bundle: bundle.path))
  }

  private func request(_ server: TLSServer) -> HTTPRequest {
    HTTPRequest(url: server.url, timeout: .seconds(30), connectTimeout: .seconds(30))
  }

  @Test func theDirectoryIsEnough() async throws {
    let server = try await TLSServer(authority.issue())
    let directory = try HashedDirectory(bundle)
    let client = client(directory: directory, bundle: other)
    #expect(try await client.send(request(server)).status == 200)
    #expect(server.connections == 1)
  }

  @Test func whatTheBundleAloneKnowsIsTrusted() async throws {
    let server = try await TLSServer(authority.issue())
    let directory = try HashedDirectory(nil)
    let client = client(directory: directory, bundle: bundle)
    #expect(try await client.send(request(server)).status == 200)
    #expect(server.connections == 2 && server.requests == 1)
    #expect(try await client.send(request(server)).status == 200)
    #expect(server.connections == 3, "the directory is not asked first any more")
  }

  @Test func aDirectoryThatIsNotThereChangesNothing() async throws {
    let server = try await TLSServer(authority.issue())
    let authorities = SystemAuthorities(directory: "/nonexistent", bundle: bundle.path)
    let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "test", linger: .zero, authorities: authorities)
    #expect(try await client.send(request(server)).status == 200)
  }

  @Test func whatNeitherKnowsIsRefused() async throws {
    let server = try await TLSServer(authority.issue())
    let directory = try HashedDirectory(other)
    let client = client(directory: directory, bundle: other)
    for _ in 0..<2 {
      let failure = await #expect(throws: HTTPFailure.self) { try await client.send(request(server)) }
      #expect(failure?.reason == .tls(.unknownAuthority))
    }
    #expect(server.requests == 0)
  }
}
