extension ConfigurationErrorCase {
  static let client: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "issuer: http",
      """
      [token.konexus]
      issuer = "http://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'http://auth.alertsense.com', which would send the secret in clear text; \
      give it with https:// in front (http is for localhost alone)
        2 | issuer = "http://auth.alertsense.com"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: no scheme",
      """
      [token.konexus]
      issuer = "auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'auth.alertsense.com', which is no URL; give it with https:// in front
        2 | issuer = "auth.alertsense.com"
          |          ^~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: ftp",
      """
      [token.konexus]
      issuer = "ftp://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'ftp://auth.alertsense.com', which is no https URL; give it with https:// \
      in front
        2 | issuer = "ftp://auth.alertsense.com"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: query",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com/?a=b"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'https://auth.alertsense.com/?a=b', which has a query; an issuer has none \
      (RFC 8414, section 2): remove it from the '?' on
        2 | issuer = "https://auth.alertsense.com/?a=b"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: fragment",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com/#x"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'https://auth.alertsense.com/#x', which has a fragment; an issuer has none \
      (RFC 8414, section 2): remove it from the '#' on
        2 | issuer = "https://auth.alertsense.com/#x"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: password",
      """
      [token.konexus]
      issuer = "https://user:hunter2@auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is '…', which holds a user name or password; remove all up to the '@'
        2 | issuer = …
          |          ^
      """),
    ConfigurationErrorCase(
      "issuer: no host",
      """
      [token.konexus]
      issuer = "https:///x"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'https:///x', which has no valid host and port behind '://'; correct it
        2 | issuer = "https:///x"
          |          ^~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: port",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com:99999"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'https://auth.alertsense.com:99999', which has no valid host and port \
      behind '://'; correct it
        2 | issuer = "https://auth.alertsense.com:99999"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: space",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com /"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'https://auth.alertsense.com /', which contains a character that no URL \
      has; remove it or write it as %XX
        2 | issuer = "https://auth.alertsense.com /"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer: empty",
      """
      [token.konexus]
      issuer = ""
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is empty; give the authorization server's https URL
        2 | issuer = ""
          |          ^~
      """),
    ConfigurationErrorCase(
      "issuer: http on a host named like localhost",
      """
      [token.konexus]
      issuer = "http://localhost.example.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' is 'http://localhost.example.com', which would send the secret in clear text; \
      give it with https:// in front (http is for localhost alone)
        2 | issuer = "http://localhost.example.com"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "issuer of the wrong type",
      """
      [token.konexus]
      issuer = 7
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:10: error: 'issuer' takes an https URL, as a string, not the integer 7
        2 | issuer = 7
          |          ^
      """),
    ConfigurationErrorCase(
      "client_id empty",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = ""
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:3:13: error: 'client_id' is empty; give it a value
        3 | client_id = ""
          |             ^~
      """),
    ConfigurationErrorCase(
      "client_id with a space behind",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c "
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:3:13: error: 'client_id' is 'c ', with a space at its beginning or end; remove it
        3 | client_id = "c "
          |             ^~~~
      """),
    ConfigurationErrorCase(
      "client_id not ASCII",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "ü"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:3:13: error: 'client_id' is 'ü'; only printable ASCII characters can be sent (RFC 6749, appendix A)
        3 | client_id = "ü"
          |             ^~~
      """),
    ConfigurationErrorCase(
      "client_secret empty",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = ""
      """,
      """
      /etc/k.toml:4:17: error: 'client_secret' is empty; give the secret as the authorization server's operator handed \
      it out
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "client_secret a number",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = 481516
      """,
      """
      /etc/k.toml:4:17: error: 'client_secret' takes a string, or an array of the current secret and the next, not an \
      integer
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "client_secret with a line break",
      #"""
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = """s3cr3t-value
      """
      """#,
      """
      /etc/k.toml:4:17: error: 'client_secret' contains a line break at character 13; give the secret as the \
      authorization server's operator handed it out
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "client_secret with NUL",
      #"""
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t\u0000value"
      """#,
      """
      /etc/k.toml:4:24: error: 'client_secret' contains a NUL byte at character 7; give the secret as the \
      authorization server's operator handed it out
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "three client secrets",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = ["s3cr3t-a", "s3cr3t-b", "s3cr3t-c"]
      """,
      """
      /etc/k.toml:4:17: error: 'client_secret' has 3 elements; give one, or two: the current one and the next
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "the same client secret twice",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = ["s3cr3t-value", "s3cr3t-value"]
      """,
      """
      /etc/k.toml:4:34: error: 'client_secret' holds the same secret twice; give the current one and the next
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "client secrets of mixed types",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = ["s3cr3t-value", 481516]
      """,
      """
      /etc/k.toml:4:34: error: 'client_secret' takes a string, not an integer
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "client_secret and client_secret_file",
      token(#"client_secret_file = "/nonexistent/secret""#),
      """
      /etc/k.toml:5:1: error: 'client_secret_file' comes in addition to 'client_secret' (line 4); keep one of the two
        5 | client_secret_file = …
          | ^~~~~~~~~~~~~~~~~~
      /etc/k.toml:5:22: error: 'client_secret_file': '/nonexistent/secret' does not exist -> create it, or correct the \
      path
        5 | client_secret_file = "/nonexistent/secret"
          |                      ^~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "client_secret_file missing",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret_file = ["/nonexistent/a", "b"]
      """,
      """
      /etc/k.toml:4:23: error: 'client_secret_file': '/nonexistent/a' does not exist -> create it, or correct the path
        4 | client_secret_file = ["/nonexistent/a", "b"]
          |                       ^~~~~~~~~~~~~~~~
      /etc/k.toml:4:41: error: 'client_secret_file': there is no such file in '/etc'; give an absolute path
        4 | client_secret_file = …
          |                      ^
      """),
    ConfigurationErrorCase(
      "client_auth misspelt",
      token(#"client_auth = "client_secret_posst""#),
      """
      /etc/k.toml:5:15: error: 'client_auth' is 'client_secret_posst'; did you mean "client_secret_post"?
        5 | client_auth = "client_secret_posst"
          |               ^~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "settings of another client_auth",
      token(
        """
        basic_encoding = "raw"
        key_id = "k"
        assertion_audience = "issuer"
        """),
      """
      /etc/k.toml:5:1: error: 'basic_encoding' counts with client_auth = "client_secret_basic" or "auto" alone; set \
      that, or remove it
        5 | basic_encoding = …
          | ^~~~~~~~~~~~~~
      /etc/k.toml:6:1: error: 'key_id' counts with client_auth = "private_key_jwt" or "auto" alone; set that, or \
      remove it
        6 | key_id = …
          | ^~~~~~
      /etc/k.toml:7:1: error: 'assertion_audience' counts with client_auth = "private_key_jwt" or "auto" alone; set \
      that, or remove it
        7 | assertion_audience = …
          | ^~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "client_secret with private_key_jwt",
      token(
        """
        client_auth = "private_key_jwt"
        private_key_file = "/nonexistent/key.pem"
        """),
      """
      /etc/k.toml:4:1: error: 'client_secret' is not used with client_auth = "private_key_jwt"; remove it
        4 | client_secret = …
          | ^~~~~~~~~~~~~
      /etc/k.toml:6:20: error: 'private_key_file': '/nonexistent/key.pem' does not exist \
      -> create it, or correct the path
        6 | private_key_file = "/nonexistent/key.pem"
          |                    ^~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "the secret itself at client_secret_file",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret_file = "s3cr3t-value"
      """,
      """
      /etc/k.toml:4:22: error: 'client_secret_file': there is no such file in '/etc'; give an absolute path
        4 | client_secret_file = …
          |                      ^
      """),
  ]
}
