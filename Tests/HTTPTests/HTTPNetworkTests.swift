import Glibc
import Synchronization
import TestSupport
import Testing
@testable import HTTP

/// A network that is broken underneath: DNS that never answers, no route. Each in a namespace of one thread's own,
/// which needs root.
@Suite(.timeLimit(.minutes(1)), .enabled(if: geteuid() == 0, "needs root, for namespaces")) struct HTTPNetworkTests {
  @Test func aNameServerThatNeverAnswers() async throws {
    // Loopback addresses of our own, so that port 53 is ours.
    let address = "127.\(Int32.random(in: 64...127)).\(Int32.random(in: 1...254)).\(Int32.random(in: 1...254))"
    let blackHole = try BlackHole(address: address)
    let configuration = try TemporaryFile("nameserver \(address)\noptions timeout:30 attempts:2\n")
    let failure = try await send("https://auth.example.test/", timeout: .seconds(2)) {
      guard unshare(newMountNamespace) == 0, mount(nil, "/", mountRecursively | mountPrivate) == 0 else { return false }
      return mount(configuration.path, "/etc/resolv.conf", mountBind) == 0
    }
    // That it returned at all, a minute before the resolver gives up, shows that ending a look-up does not wait for it.
    #expect(failure?.reason == .timeout(stage: .nameLookup), "\(String(describing: failure))")
    #expect(blackHole.hasHeard)
    withExtendedLifetime(configuration) {}
  }

  @Test func noRoute() async throws {
    // In a new network namespace not even the loopback device is up.
    let failure = try await send("http://127.0.0.1:1/", timeout: .seconds(30)) { unshare(newNetworkNamespace) == 0 }
    #expect(failure?.reason == .connectionFailed, "\(String(describing: failure))")
    #expect(failure?.message == "connection to 127.0.0.1:1 failed: Network is unreachable")
  }

  /// Sends a request from a thread for which `prepare` changed the world; the client's own thread inherits it.
  private func send(
    _ url: String, timeout: Duration, prepare: @escaping @Sendable () -> Bool
  ) async throws -> HTTPFailure? {
    let limits = TransferLimits(bodyBytes: 1000, headerBytes: 1000)
    let request = try PreparedRequest(
      HTTPRequest(url: url, timeout: timeout, connectTimeout: timeout, transport: TransportSettings(proxy: .none)),
      files: .none, limits: limits, userAgent: "x")
    let result: Result<HTTPResponse, HTTPFailure>? = try await withCheckedThrowingContinuation { continuation in
      do {
        try RawServer.onThread {
          guard prepare() else { return continuation.resume(returning: nil) }
          let loop = TransferLoop(linger: .zero)
          loop.start(request, id: loop.reserve()) { continuation.resume(returning: $0) }
        }
      } catch {
        continuation.resume(throwing: error)
      }
    }
    guard case .failure(let failure) = try #require(result, "no namespaces here") else { return nil }
    return failure
  }
}

// Functions and flags of sched.h and sys/mount.h that Swift's Glibc module leaves out.
private let newMountNamespace: Int32 = 0x0002_0000
private let newNetworkNamespace: Int32 = 0x4000_0000
private let mountBind: UInt = 0x1000
private let mountRecursively: UInt = 0x4000
private let mountPrivate: UInt = 0x4_0000

private func unshare(_ flags: Int32) -> Int32 {
  typealias Function = @convention(c) (Int32) -> Int32
  guard let symbol = dlsym(nil, "unshare") else { return -1 }
  return unsafeBitCast(symbol, to: Function.self)(flags)
}

private func mount(_ source: String?, _ target: String, _ flags: UInt) -> Int32 {
  typealias Function =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<CChar>, UnsafePointer<CChar>?, UInt, UnsafeRawPointer?
    ) -> Int32
  guard let symbol = dlsym(nil, "mount") else { return -1 }
  return unsafeBitCast(symbol, to: Function.self)(source ?? "none", target, nil, flags, nil)
}

/// A name server that reads and never answers.
private final class BlackHole {
  private let descriptor: Int32

  init(address text: String) throws {
    descriptor = socket(
      AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr(text)
    address.sin_port = in_port_t(53).bigEndian
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard bound else { throw RawServerFailure(code: errno) }
  }

  deinit { close(descriptor) }

  var hasHeard: Bool {
    var buffer = [UInt8](repeating: 0, count: 512)
    return recv(descriptor, &buffer, buffer.count, 0) > 0
  }
}
