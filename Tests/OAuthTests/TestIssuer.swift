import Synchronization
import TestSupport
@testable import Base
@testable import HTTP
@testable import OAuth

/// An authorization server on a loopback port. A test sets its response for each path.
final class TestIssuer: Sendable {
  struct Response: Sendable {
    var status = "200 OK"
    var headers: [String] = []
    var body = ""
  }

  typealias Handler = @Sendable (RawRequest) -> Response

  private final class Board: Sendable {
    let handlers = Mutex<[String: Handler]>([:])
  }

  private let server: RawServer
  private let board: Board

  /// Makes a server with a discovery document and no other one.
  init() throws {
    let board = Board()
    self.board = board
    server = try RawServer { connection in
      while let request = connection.readRequest() {
        let path = request.line.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        let response = board.handlers.withLock { $0[path] }?(request) ?? Response(status: "404 Not Found")
        connection.answer(response.body, status: response.status, headers: response.headers)
      }
    }
    publish(keysAt: "/keys")
  }

  var url: String { server.url }

  /// Sets the discovery document.
  func publish(keysAt keys: String, introspectionAt introspection: String = "/introspect") {
    let document = json([
      "issuer": "\"\(url)\"", "token_endpoint": "\"\(url)/token\"", "jwks_uri": "\"\(url)\(keys)\"",
      "introspection_endpoint": "\"\(url)\(introspection)\"",
    ])
    answer("/.well-known/openid-configuration") { _ in Response(body: document) }
  }

  /// Sets the response for a path.
  func answer(_ path: String, _ handler: @escaping Handler) { board.handlers.withLock { $0[path] = handler } }

  /// Sets the response for a path.
  func answer(_ path: String, _ body: String, status: String = "200 OK", headers: [String] = []) {
    answer(path) { _ in Response(status: status, headers: headers, body: body) }
  }

  /// Publishes these keys.
  func answerKeys(_ keys: [SigningKey], at path: String = "/keys", headers: [String] = []) throws {
    answer(path, try Self.keySet(keys), headers: headers)
  }

  static func keySet(_ keys: [SigningKey]) throws -> String {
    #"{"keys":[\#(try keys.map { try $0.jwk() }.joined(separator: ","))]}"#
  }

  /// Issues tokens of this key.
  func issue(by key: SigningKey) throws {
    let token = String(decoding: try token(of: key), as: UTF8.self)
    answer("/token", #"{"access_token":"\#(token)","token_type":"Bearer","expires_in":3600}"#)
  }

  /// A token of this issuer for the sample's client.
  func token(of key: SigningKey, claims: [String: String?] = [:]) throws -> [UInt8] {
    let now = Int64(Moment.now().unix)
    var members: [String: String?] = ["iss": "\"\(url)\"", "nbf": "\(now)", "iat": "\(now)", "exp": "\(now + 3600)"]
    for (name, value) in claims { members[name] = value }
    return try key.token(claims: members)
  }

  /// The requests for a path so far.
  func requests(_ path: String) -> [RawRequest] { server.requests.filter { $0.line.contains(" \(path) ") } }

  var policy: AccessTokenPolicy {
    var policy = Sample.policy
    policy.issuer = url
    return policy
  }

  static let secret = "hush-hush-client-secret"

  func request(_ verification: TokenVerification = .jwt) -> TokenRequest {
    TokenRequest(
      clientID: Sample.policy.clientID, credentials: ClientCredentials(secrets: [Secret(Self.secret)]),
      scope: ["tamarack"], verification: verification, policy: policy, timeout: .seconds(30))
  }

  /// This server as a client sees it that knows nothing of it yet.
  func client() -> AuthorizationServer {
    AuthorizationServer(issuer: url, transport: TransportSettings(), http: HTTPClient())
  }
}
