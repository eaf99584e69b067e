import Glibc
import KonexusSandbox
import Testing

/// A situation that is broken in one way, and all that `check` prints of it in a pipe.
struct BrokenSituation: CustomTestStringConvertible, Sendable {
  var testDescription: String
  var code: Int32
  var options: @Sendable (inout SandboxOptions) -> Void = { _ in }
  var arrange: @Sendable (Scene) throws -> Void
  var output: String

  static let all: [BrokenSituation] = [
    BrokenSituation(
      testDescription: "wrong permissions", code: 78,
      arrange: { scene in
        try scene.configure()
        chmod(scene.workplace.configFile, 0o644)
      },
      output: """
        FAILED  config       DIR/config.toml: 1 fault
                             DIR/config.toml: error: is readable by other users (mode 0644) \
        -> chmod 0600 DIR/config.toml

        failed at: config (exit code 78)

        """),
    BrokenSituation(
      testDescription: "unknown key", code: 78,
      arrange: { try $0.configure($0.table("konexus", ["adience": #""tamarack""#])) },
      output: """
        FAILED  config       DIR/config.toml: 1 fault
                             DIR/config.toml:7:1: error: unknown key 'adience' in [token.konexus]; \
        did you mean 'audience'?
                               7 | adience = …
                                 | ^~~~~~~
                             -> correct the file; each key is explained in: man konexus-tokend.toml

        failed at: config (exit code 78)

        """),
    BrokenSituation(
      testDescription: "DNS dead", code: 11,
      arrange: { try $0.configure($0.table("konexus", ["issuer": #""https://auth.konexus.invalid""#])) },
      output: whole(
        configured, output,
        """
        FAILED  dns          connection to auth.konexus.invalid:443 failed: \
        DNS resolution found no address (discovery)
                             -> check issuer and this host's resolver: getent ahosts auth.konexus.invalid

        """, notReached("connection", "tls", "discovery", "clock", "token", "verification", "refresh", "reader"),
        verdict("dns", 11))),
    BrokenSituation(
      testDescription: "wrong CA", code: 13, options: { $0.certificate = .unknownAuthority },
      arrange: { try $0.configure() },
      output: whole(
        configured, output, reached,
        """
        FAILED  tls          certificate of localhost:PORT rejected: its CA certificate \
        is not in DIR/ca.pem (discovery)
                             -> set ca_file to the CA certificate of the server, \
        or install it with update-ca-certificates

        """, notReached("discovery", "clock", "token", "verification", "refresh", "reader"), verdict("tls", 13))),
    BrokenSituation(
      testDescription: "expired certificate", code: 13, options: { $0.certificate = .expired },
      arrange: { try $0.configure() },
      output: whole(
        configured, output, reached,
        """
        FAILED  tls          certificate of localhost:PORT rejected: it has expired, \
        or this host's clock is fast (discovery)
                             -> have the server's certificate renewed, and check this host's clock: date -u

        """, notReached("discovery", "clock", "token", "verification", "refresh", "reader"), verdict("tls", 13))),
    BrokenSituation(
      testDescription: "skewed clock", code: 15, options: { $0.settings.clockSkew = 600 },
      arrange: { try $0.configure() },
      output: whole(
        configured, output, connected,
        """
        FAILED  clock        the server's clock is SPAN ahead of this host's
                             -> check this host's clock: date -u

        """, answered, verified, planned, read, verdict("clock", 15))),
    BrokenSituation(
      testDescription: "wrong secret", code: 16,
      arrange: { try $0.configure($0.table("konexus", ["client_secret": #""wrong""#])) },
      output: whole(
        configured, output, connected, synchronous,
        """
        FAILED  token        the token endpoint answered 400 'invalid_client'
                             -> ask Konexus whether client_id and its secret, key or certificate are valid, \
        and apply a correction: konexus-tokend reload

        """, notReached("verification", "refresh", "reader"), verdict("token", 16))),
    BrokenSituation(
      testDescription: "wrong scope", code: 16,
      arrange: { try $0.configure($0.table("konexus", ["scope": #""other""#])) },
      output: whole(
        configured, output, connected, synchronous,
        """
        FAILED  token        the token endpoint answered 400 'invalid_scope'
                             -> set scope to what the server allows for this client

        """, notReached("verification", "refresh", "reader"), verdict("token", 16))),
    BrokenSituation(
      testDescription: "wrong audience", code: 17,
      arrange: { try $0.configure($0.table("konexus", ["audience": #""other""#])) },
      output: whole(
        configured, output, connected, synchronous, answered,
        """
        FAILED  verification the token is for the audience "tamarack", not for "other": \
        set `audience` to the API's name, or ask for another `scope`
                             alg: "ES256": ok
                             typ: "at+jwt": ok
                             kid: "HEX": ok
                             signature: 64 bytes: ok
                             iss: "https://localhost:PORT": ok
                             aud: "tamarack": WRONG
                             client_id: "ext-1741-sample-client": not checked
                             iat: UNIX, TIME (REL): not checked
                             nbf: UNIX, TIME (REL): not checked
                             exp: UNIX, TIME (REL): not checked
                             scope: ["tamarack"]: not checked
                             -> set audience to what the API expects, or ask for the right scope

        """, notReached("refresh", "reader"), verdict("verification", 17))),
    BrokenSituation(
      testDescription: "not in memory", code: 18,
      arrange: { try $0.configure($0.table("konexus", ["file": #""/usr/konexus.token""#])) },
      output: whole(
        configured,
        """
        FAILED  output       /usr is not on tmpfs: a token there would be written to a disk
                             -> use a directory below /run, or set allow_persistent_storage = true in [daemon]

        """, connected, synchronous, answered, verified, planned, read.replacing("DIR/run/", with: "/usr/"),
        verdict("output", 18))),
  ]

  // MARK: What is the same in several

  static let configured = """
    ok      config       DIR/config.toml: 1 token, mode 0600, OWNER

    konexus

    """
  static let output = """
    ok      output       DIR/run: in memory, mode 0750, OWNER

    """
  static let reached = """
    ok      dns          localhost has an address
    ok      connection   localhost port PORT answers

    """
  static let connected = """
    ok      dns          localhost is 127.0.0.1 (MS)
    ok      connection   127.0.0.1 port PORT answers (MS)
    ok      tls          TLSv1.3, the certificate is good until TIME (REL) (MS)
                         trusted by: DIR/ca.pem
                         CN = localhost, signed by CN = Konexus sandbox CA
    ok      discovery    https://localhost:PORT/.well-known/openid-configuration is https://localhost:PORT's (MS)
                         token_endpoint: https://localhost:PORT/connect/token
                         jwks_uri: https://localhost:PORT/.well-known/openid-configuration/jwks
                         client authentication: 'client_secret_basic', 'client_secret_post'
                         scopes: 'tamarack'

    """
  static let synchronous = """
    ok      clock        this host's clock and the server's agree to a second

    """
  static let answered = """
    ok      token        https://localhost:PORT/connect/token gave a Bearer token (MS)
                         expires_in: SPAN
                         scope: tamarack
                         client authentication: client_secret_post

    """
  static let verified = """
    ok      verification the token is verified by one of the issuer's 1 keys
                         alg: "ES256": ok
                         typ: "at+jwt": ok
                         kid: "HEX": ok
                         signature: 64 bytes: ok
                         iss: "https://localhost:PORT": ok
                         aud: "tamarack": ok
                         client_id: "ext-1741-sample-client": ok
                         iat: UNIX, TIME (REL): ok
                         nbf: UNIX, TIME (REL): ok
                         exp: UNIX, TIME (REL): ok
                         scope: ["tamarack"]: ok

    """
  static let planned = """
    ok      refresh      every SPAN; an outage of SPAN goes unnoticed
                         at the earlier of half of the lifetime (SPAN) and max_age (SPAN), less up to 10 %
                         end     = sent + lifetime - SPAN = sent + SPAN
                         refresh = sent + (1 - this host's jitter) x min(refresh_at x (lifetime - SPAN), max_age)
                                 = sent + (1 - JITTER) x min(0.5 x SPAN, SPAN) = sent + SPAN

    """
  static let read = """
    ok      reader       would read a token that is valid for SPAN
                         DIR/run/konexus.token: raw, N bytes, mode 0640; missing: the daemon would write it

    """

  static func notReached(_ steps: String...) -> String {
    "skipped \(steps.joined(separator: ", ")): not reached\n"
  }

  static func whole(_ parts: String...) -> String { parts.joined() }

  private static func verdict(_ step: String, _ code: Int32) -> String {
    "\nfailed at: \(step) of token konexus (exit code \(code))\n"
  }
}
