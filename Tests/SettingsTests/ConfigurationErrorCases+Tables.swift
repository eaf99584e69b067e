extension ConfigurationErrorCase {
  static let tables: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "empty file",
      "",
      """
      /etc/k.toml: error: there is no [token.NAME] table, so there is nothing to do; write one:
        [token.konexus]
        issuer = "https://auth.alertsense.com"
        client_id = "CLIENT-ID"
        client_secret = "SECRET"
      """),
    ConfigurationErrorCase(
      "only a daemon table",
      """
      [daemon]
      log_level = "info"
      """,
      """
      /etc/k.toml: error: there is no [token.NAME] table, so there is nothing to do; write one:
        [token.konexus]
        issuer = "https://auth.alertsense.com"
        client_id = "CLIENT-ID"
        client_secret = "SECRET"
      """),
    ConfigurationErrorCase(
      "misspelt key",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secrt = "s3cr3t-value"
      """,
      """
      /etc/k.toml:4:1: error: unknown key 'client_secrt' in [token.konexus]; did you mean 'client_secret'?
        4 | client_secrt = …
          | ^~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "key with dashes",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client-id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:3:1: error: unknown key 'client-id' in [token.konexus]; did you mean 'client_id'?
        3 | client-id = …
          | ^~~~~~~~~
      """),
    ConfigurationErrorCase(
      "key of the other table",
      """
      [daemon]
      timeout = 5

      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      log_level = "debug"
      """,
      """
      /etc/k.toml:2:1: error: unknown key 'timeout' in [daemon]; it belongs in [token.NAME]
        2 | timeout = …
          | ^~~~~~~
      /etc/k.toml:8:1: error: unknown key 'log_level' in [token.konexus]; it belongs in [daemon]
        8 | log_level = …
          | ^~~~~~~~~
      """),
    ConfigurationErrorCase(
      "key near to nothing",
      token(#"colour = "red""#),
      """
      /etc/k.toml:5:1: error: unknown key 'colour' in [token.konexus]; known are issuer, discovery_url, \
      token_endpoint, jwks_uri, introspection_endpoint, revocation_endpoint, client_id, client_auth, \
      client_secret, client_secret_file, basic_encoding, private_key_file, key_id, assertion_algorithm, \
      assertion_audience, assertion_certificate_file, \
      client_certificate_file, client_key_file, scope, resource, request_audience, \
      extra_parameters, timeout, ca_file, pinned_public_key, proxy, audience, verify, \
      access_token_issuer, token_type, require_at_jwt, refresh_at, \
      max_age, recheck_interval, api_url, revoke_on_stop, file, mode, allow_units, min_validity, introspection, \
      output, signal
        5 | colour = …
          | ^~~~~~
      """),
    ConfigurationErrorCase(
      "quoted key with a control character",
      token(#""\u001b[31m" = 1"#),
      #"""
      /etc/k.toml:5:1: error: unknown key '\u{1b}[31m' in [token.konexus]; known are issuer, discovery_url, \#
      token_endpoint, jwks_uri, introspection_endpoint, revocation_endpoint, client_id, \#
      client_auth, client_secret, client_secret_file, basic_encoding, private_key_file, key_id, \#
      assertion_algorithm, assertion_audience, assertion_certificate_file, \#
      client_certificate_file, client_key_file, scope, resource, \#
      request_audience, extra_parameters, timeout, ca_file, pinned_public_key, \#
      proxy, audience, verify, access_token_issuer, token_type, \#
      require_at_jwt, refresh_at, max_age, recheck_interval, api_url, revoke_on_stop, file, mode, allow_units, \#
      min_validity, introspection, output, signal
        5 | "\u001b[31m" = …
          | ^~~~~~~~~~~~
      """#),
    ConfigurationErrorCase(
      "misspelt table",
      """
      [deamon]
      log_level = "info"

      [tokens.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:2: error: unknown table [deamon]; did you mean [daemon]?
        1 | [deamon]
          |  ^~~~~~
      /etc/k.toml:4:2: error: unknown table [tokens]; did you mean [token.NAME]?
        4 | [tokens.konexus]
          |  ^~~~~~
      """),
    ConfigurationErrorCase(
      "token without token.",
      """
      [konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:2: error: unknown table [konexus]; did you mean [token.konexus]?
        1 | [konexus]
          |  ^~~~~~~
      """),
    ConfigurationErrorCase(
      "keys outside of the tables",
      """
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:1: error: 'issuer' stands outside of the tables; put it below [token.NAME]
        1 | issuer = …
          | ^~~~~~
      /etc/k.toml:2:1: error: 'client_id' stands outside of the tables; put it below [token.NAME]
        2 | client_id = …
          | ^~~~~~~~~
      /etc/k.toml:3:1: error: 'client_secret' stands outside of the tables; put it below [token.NAME]
        3 | client_secret = …
          | ^~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "token without a name",
      """
      [token]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:1: error: 'issuer' stands in [token]; give the token a name, as in [token.konexus], and put it there
        2 | issuer = …
          | ^~~~~~
      /etc/k.toml:3:1: error: 'client_id' stands in [token]; give the token a name, as in [token.konexus], and put it \
      there
        3 | client_id = …
          | ^~~~~~~~~
      /etc/k.toml:4:1: error: 'client_secret' stands in [token]; give the token a name, as in [token.konexus], and put \
      it there
        4 | client_secret = …
          | ^~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "token as a list",
      """
      [[token.konexus]]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:9: error: [[token.konexus]] is one table, not a list; write [token.konexus]
        1 | [[token.konexus]]
          |         ^~~~~~~
      """),
    ConfigurationErrorCase(
      "daemon as a value",
      """
      daemon = 1
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:1: error: 'daemon' is a table; write [daemon] on a line of its own and its keys below
        1 | daemon = …
          | ^~~~~~
      """),
    ConfigurationErrorCase(
      "bad token names",
      """
      [token.Konexus]
      [token."a b"]
      [token.-a]
      [token.""]
      [token.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
      """,
      """
      /etc/k.toml:1:8: error: 'Konexus' cannot be a token's name; take 1 to 63 lower-case letters, digits, '_' and \
      '-', a letter or digit first
        1 | [token.Konexus]
          |        ^~~~~~~
      /etc/k.toml:2:8: error: 'a b' cannot be a token's name; take 1 to 63 lower-case letters, digits, '_' and '-', a \
      letter or digit first
        2 | [token."a b"]
          |        ^~~~~
      /etc/k.toml:3:8: error: '-a' cannot be a token's name; take 1 to 63 lower-case letters, digits, '_' and '-', a \
      letter or digit first
        3 | [token.-a]
          |        ^~
      /etc/k.toml:4:8: error: '' cannot be a token's name; take 1 to 63 lower-case letters, digits, '_' and '-', a \
      letter or digit first
        4 | [token.""]
          |        ^~
      /etc/k.toml:5:8: error: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' cannot be a token's \
      name; take 1 to 63 lower-case letters, digits, '_' and '-', a letter or digit first
        5 | [token.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
          |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "nothing in the table",
      #"[token.konexus]"#,
      """
      /etc/k.toml:1:8: error: [token.konexus] has no 'issuer'; name the authorization server, as in issuer = \
      "https://auth.alertsense.com"
        1 | [token.konexus]
          |        ^~~~~~~
      /etc/k.toml:1:8: error: [token.konexus] has no 'client_id'; give the one that the authorization server's \
      operator handed out
        1 | [token.konexus]
          |        ^~~~~~~
      /etc/k.toml:1:8: error: [token.konexus] has no client secret; give client_secret_file = "PATH" or client_secret \
      = "SECRET"
        1 | [token.konexus]
          |        ^~~~~~~
      """),
    ConfigurationErrorCase(
      "missing issuer in an inline table",
      #"token.konexus = { client_id = "c", client_secret = "s3cr3t-value" }"#,
      """
      /etc/k.toml:1:7: error: [token.konexus] has no 'issuer'; name the authorization server, as in issuer = \
      "https://auth.alertsense.com"
        1 | token.konexus = …
          |       ^~~~~~~
      """),
    ConfigurationErrorCase(
      "dotted keys",
      """
      token.konexus.issuer = "http://auth.alertsense.com"
      token.konexus.client_id = "c"
      token.konexus.client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:24: error: 'issuer' is 'http://auth.alertsense.com', which would send the secret in clear text; \
      give it with https:// in front (http is for localhost alone)
        1 | token.konexus.issuer = "http://auth.alertsense.com"
          |                        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "client_auth auto without means",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_auth = "auto"
      """,
      """
      /etc/k.toml:1:8: error: [token.konexus] has no client secret, key or certificate; give client_secret_file, \
      private_key_file or client_certificate_file
        1 | [token.konexus]
          |        ^~~~~~~
      """),
    ConfigurationErrorCase(
      "private_key_jwt without a key",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_auth = "private_key_jwt"
      """,
      """
      /etc/k.toml:1:8: error: [token.konexus] has no 'private_key_file', which client_auth = "private_key_jwt" needs; \
      name the key's file
        1 | [token.konexus]
          |        ^~~~~~~
      """),
    ConfigurationErrorCase(
      "tls_client_auth without a certificate",
      token(
        """
        client_auth = "tls_client_auth"
        client_key_file = "/nonexistent/key.pem"
        """),
      """
      /etc/k.toml:1:8: error: [token.konexus] has no 'client_certificate_file', which client_auth = "tls_client_auth" \
      needs; name the certificate's file
        1 | [token.konexus]
          |        ^~~~~~~
      /etc/k.toml:4:1: error: 'client_secret' is not used with client_auth = "tls_client_auth"; remove it
        4 | client_secret = …
          | ^~~~~~~~~~~~~
      /etc/k.toml:6:1: error: 'client_key_file' goes with a 'client_certificate_file', which is missing; add it
        6 | client_key_file = …
          | ^~~~~~~~~~~~~~~
      /etc/k.toml:6:19: error: 'client_key_file': '/nonexistent/key.pem' does not exist \
      -> create it, or correct the path
        6 | client_key_file = "/nonexistent/key.pem"
          |                   ^~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "an empty [token]",
      #"[token]"#,
      """
      /etc/k.toml: error: there is no [token.NAME] table, so there is nothing to do; write one:
        [token.konexus]
        issuer = "https://auth.alertsense.com"
        client_id = "CLIENT-ID"
        client_secret = "SECRET"
      """),
    ConfigurationErrorCase(
      "the wrong table first",
      """
      [token.konexus.signal]
      pid_file = "/run/x.pid"

      [token.konexus]
      client_id = 'c'
      client_secret = 'x'
      """,
      """
      /etc/k.toml:4:8: error: [token.konexus] has no 'issuer'; name the authorization server, as in issuer = \
      "https://auth.alertsense.com"
        4 | [token.konexus]
          |        ^~~~~~~
      """),
  ]
}
