extension ConfigurationErrorCase {
  static let request: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "scope of the wrong type",
      token("scope = 7"),
      """
      /etc/k.toml:5:9: error: 'scope' takes a string or an array of strings, not the integer 7
        5 | scope = 7
          |         ^
      """),
    ConfigurationErrorCase(
      "scope with a quote",
      token(#"scope = 'a "b"'"#),
      """
      /etc/k.toml:5:9: error: 'scope' holds '"b"', which is no scope: quotes, backslashes and characters beyond ASCII \
      have no place there (RFC 6749, 3.3)
        5 | scope = 'a "b"'
          |         ^~~~~~~
      """),
    ConfigurationErrorCase(
      "scope twice",
      token(#"scope = "a b a""#),
      """
      /etc/k.toml:5:9: error: 'scope' holds 'a' twice; remove one
        5 | scope = "a b a"
          |         ^~~~~~~
      """),
    ConfigurationErrorCase(
      "scope: a number in an array over several lines",
      token(
        """
        scope = [
          "a", # first
          7,
        ]
        """),
      """
      /etc/k.toml:7:3: error: 'scope' takes strings in its array, not the integer 7
        7 | 7
          | ^
      """),
    ConfigurationErrorCase(
      "audience an empty string",
      token(#"audience = """#),
      """
      /etc/k.toml:5:12: error: 'audience' holds an empty string; remove it
        5 | audience = ""
          |            ^~
      """),
    ConfigurationErrorCase(
      "token_type of tokens that are of no use",
      token(#"token_type = ["BearerToken", "dpop"]"#),
      """
      /etc/k.toml:5:30: error: 'token_type' holds 'dpop', a type of tokens that applications cannot use; only Bearer \
      tokens can be published
        5 | token_type = ["BearerToken", "dpop"]
          |                              ^~~~~~
      """),
    ConfigurationErrorCase(
      "token_type of another type",
      token("token_type = true"),
      """
      /etc/k.toml:5:14: error: 'token_type' takes a string or an array of strings, not true
        5 | token_type = true
          |              ^~~~
      """),
    ConfigurationErrorCase(
      "token_type with a string that cannot be one",
      token(#"token_type = "Bearer ""#),
      """
      /etc/k.toml:5:14: error: 'token_type' is 'Bearer ', with a space at its beginning or end; remove it
        5 | token_type = "Bearer "
          |              ^~~~~~~~~
      """),
    ConfigurationErrorCase(
      "audience with an empty string",
      token(#"audience = ["a", ""]"#),
      """
      /etc/k.toml:5:18: error: 'audience' holds an empty string; remove it
        5 | audience = ["a", ""]
          |                  ^~
      """),
    ConfigurationErrorCase(
      "timeout",
      token(#"timeout = "30 seconds""#),
      """
      /etc/k.toml:5:11: error: 'timeout' is '30 seconds'; write a number and a unit (s, m, h or d), as in "30s" or "2m"
        5 | timeout = "30 seconds"
          |           ^~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "timeout too long",
      token(#"timeout = "1h""#),
      """
      /etc/k.toml:5:11: error: 'timeout' is 1 h; give 1 s to 5 min
        5 | timeout = "1h"
          |           ^~~~
      """),
    ConfigurationErrorCase(
      "timeout zero",
      token("timeout = 0"),
      """
      /etc/k.toml:5:11: error: 'timeout' is 0 s; give 1 s to 5 min
        5 | timeout = 0
          |           ^
      """),
    ConfigurationErrorCase(
      "timeout a float",
      token("timeout = 1.5"),
      """
      /etc/k.toml:5:11: error: 'timeout' takes a duration in seconds, or with a unit as in "30s" or "2m", not the \
      number 1.5
        5 | timeout = 1.5
          |           ^~~
      """),
    ConfigurationErrorCase(
      "resource",
      token(#"resource = "api""#),
      """
      /etc/k.toml:5:12: error: 'resource' holds 'api', which is no absolute URI without a fragment (RFC 8707, section 2)
        5 | resource = "api"
          |            ^~~~~
      """),
    ConfigurationErrorCase(
      "extra_parameters override",
      token(#"extra_parameters = { client_secret = "s3cr3t-other" }"#),
      """
      /etc/k.toml:5:22: error: 'extra_parameters' may not hold 'client_secret', which the daemon sends itself; set it \
      by 'client_secret' or 'client_secret_file'
        5 | extra_parameters = …
          |                    ^
      """),
    ConfigurationErrorCase(
      "extra_parameters of the wrong type",
      token(
        """
        [token.konexus.extra_parameters]
        tenant = 7
        """),
      """
      /etc/k.toml:6:10: error: 'extra_parameters' takes strings, but 'tenant' is an integer
      """),
    ConfigurationErrorCase(
      "extra_parameters a string",
      token(#"extra_parameters = "tenant=s3cr3t-other""#),
      """
      /etc/k.toml:5:20: error: 'extra_parameters' takes a table of strings, as in { tenant = "north" }, not a string
        5 | extra_parameters = …
          |                    ^
      """),
    ConfigurationErrorCase(
      "pinned_public_key",
      token(#"pinned_public_key = "sha256//abc""#),
      """
      /etc/k.toml:5:21: error: 'pinned_public_key' holds 'sha256//abc'; give "sha256//" and the base64 of the SHA-256 \
      of the server's public key, as curl --pinnedpubkey takes it
        5 | pinned_public_key = "sha256//abc"
          |                     ^~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "proxy with a password",
      token(#"proxy = "socks5://user:hunter2@proxy:1080""#),
      """
      /etc/k.toml:5:9: error: 'proxy' is no http or https URL; give one, as in "http://proxy.example.org:3128", or \
      "none"
        5 | proxy = …
          |         ^
      """),
    ConfigurationErrorCase(
      "proxy without a port that makes sense",
      token(#"proxy = "http://user:hunter2@proxy:99999""#),
      """
      /etc/k.toml:5:9: error: 'proxy' has no valid host and port; give it as in "http://proxy.example.org:3128"
        5 | proxy = …
          |         ^
      """),
    ConfigurationErrorCase(
      "ca_file missing",
      token(#"ca_file = "ca.pem""#),
      """
      /etc/k.toml:5:11: error: 'ca_file': '/etc/ca.pem' does not exist -> create it, or correct the path
        5 | ca_file = "ca.pem"
          |           ^~~~~~~~
      """),
    ConfigurationErrorCase(
      "refresh_at",
      token("refresh_at = 1"),
      """
      /etc/k.toml:5:14: error: 'refresh_at' is 1; give a number from 0.1 to 0.9
        5 | refresh_at = 1
          |              ^
      """),
    ConfigurationErrorCase(
      "refresh_at of the wrong type",
      token(#"refresh_at = "half""#),
      """
      /etc/k.toml:5:14: error: 'refresh_at' takes a number from 0.1 to 0.9, not a string
        5 | refresh_at = "half"
          |              ^~~~~~
      """),
    ConfigurationErrorCase(
      "verify",
      token(#"verify = "nothing""#),
      """
      /etc/k.toml:5:10: error: 'verify' is 'nothing'; give "jwt", "introspection" or "none"
        5 | verify = "nothing"
          |          ^~~~~~~~~
      """),
    ConfigurationErrorCase(
      "require_at_jwt",
      token(
        """
        verify = "none"
        require_at_jwt = true
        """),
      """
      /etc/k.toml:6:1: error: 'require_at_jwt' counts with verify = "jwt" alone; remove one of the two
        6 | require_at_jwt = …
          | ^~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "boolean in quotes",
      token(#"revoke_on_stop = "true""#),
      """
      /etc/k.toml:5:18: error: 'revoke_on_stop' takes true or false, not a string; leave out the quotes
        5 | revoke_on_stop = "true"
          |                  ^~~~~~
      """),
    ConfigurationErrorCase(
      "the key itself at private_key_file",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_auth = "private_key_jwt"
      private_key_file = "-----BEGIN PRIVATE KEY-----s3cr3t"
      """,
      """
      /etc/k.toml:5:20: error: 'private_key_file' takes the path of a file, not its content
        5 | private_key_file = …
          |                    ^
      """),
  ]
}
