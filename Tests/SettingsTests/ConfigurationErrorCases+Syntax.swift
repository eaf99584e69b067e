extension ConfigurationErrorCase {
  static let syntax: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "string not closed",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value
      more-s3cr3t = 1
      """,
      """
      /etc/k.toml:4:17: error: syntax: the string that begins here is not closed on its line
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "multi-line string not closed",
      #"""
      [token.konexus]
      client_secret = """s3cr3t-value
      more-s3cr3t = 1
      """#,
      """
      /etc/k.toml:2:17: error: syntax: the multi-line string that begins here is not closed
        2 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "secret without quotes",
      """
      [token.konexus]
      issuer = https://auth.alertsense.com
      client_id = c
      client_secret = s3cr3t-value
      scop = "x"
      """,
      """
      /etc/k.toml:2:10: error: syntax: this is not a value; put a string into quotes
        2 | issuer = …
          |          ^
      /etc/k.toml:3:13: error: syntax: this is not a value; put a string into quotes
        3 | client_id = …
          |             ^
      /etc/k.toml:4:17: error: syntax: this is not a value; put a string into quotes
        4 | client_secret = …
          |                 ^
      /etc/k.toml:5:1: error: unknown key 'scop' in [token.konexus]; did you mean 'scope'?
        5 | scop = …
          | ^~~~
      """),
    ConfigurationErrorCase(
      "secret without quotes that looks like a boolean",
      """
      [token.konexus]
      client_secret = trueS3cret
      """,
      """
      /etc/k.toml:2:17: error: syntax: this is not a value; put a string into quotes
        2 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "equals sign missing",
      """
      [token.konexus]
      issuer "https://auth.alertsense.com"
      client_id = "c"
      client_secret "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:8: error: syntax: expected '=' after the key
        2 | issuer = …
          |          ^
      /etc/k.toml:4:15: error: syntax: expected '=' after the key
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "a secret on a line of its own",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret =
      czNjcjN0LXZhbHVl==
      """,
      """
      /etc/k.toml:4:16: error: syntax: a value is missing behind '='
        4 | client_secret = …
          |                 ^
      /etc/k.toml:5:18: error: syntax: this is not a value; put a string into quotes
      """),
    ConfigurationErrorCase(
      "key twice",
      token(
        """
        client_secret = "s3cr3t-other"
        client_id = "d"
        """),
      """
      /etc/k.toml:5:1: error: syntax: each key and each table is given once; this name is taken already (line 4)
        5 | client_secret = …
          |                 ^
      /etc/k.toml:6:1: error: syntax: each key and each table is given once; this name is taken already (line 3)
        6 | client_id = …
          |             ^
      """),
    ConfigurationErrorCase(
      "table twice",
      """
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"

      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:6:8: error: syntax: each key and each table is given once; this name is taken already (line 1)
      """),
    ConfigurationErrorCase(
      "header not closed",
      """
      [token.konexus
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:15: error: syntax: the table's header is not closed; write [NAME]
      """),
    ConfigurationErrorCase(
      "value behind a value",
      token(#"scope = "a" "b""#),
      """
      /etc/k.toml:5:13: error: syntax: something stands behind the end of this statement; remove it or put it \
      on a line of its own
      """),
    ConfigurationErrorCase(
      "escape that does not exist",
      #"""
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t\value"
      """#,
      #"""
      /etc/k.toml:4:24: error: syntax: this escape does not exist; for a backslash itself write \\ or put the string \#
      into single quotes
        4 | client_secret = …
          |                 ^
      """#),
    ConfigurationErrorCase(
      "control character",
      token("scope = \"a\u{1}b\""),
      #"""
      /etc/k.toml:5:11: error: syntax: a control character in a string; write it as an escape such as \t or \u0007
        5 | scope = …
          |         ^
      """#),
    ConfigurationErrorCase(
      "header of nothing",
      """
      [.a]
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:1:2: error: syntax: expected a key: letters, digits, '_' and '-', or a name in quotes
      """),
    ConfigurationErrorCase(
      "byte order mark and CRLF",
      "\u{feff}[daemon]\r\nlog_levl = \"info\"\r\n[token.konexus]\nissuer = \"https://auth.alertsense.com\"\n"
        + "client_id = \"c\"\nclient_secret = \"s3cr3t-value\"\n",
      """
      /etc/k.toml:2:1: error: unknown key 'log_levl' in [daemon]; did you mean 'log_level'?
        2 | log_levl = …
          | ^~~~~~~~
      """),
    ConfigurationErrorCase(
      "a string that swallows the lines below it",
      #"""
      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = """"c"
      client_secret = "s3cr3t-value"""
      timeout = "0s"
      """#,
      """
      /etc/k.toml:1:8: error: [token.konexus] has no client secret; give client_secret_file = "PATH" \
      or client_secret = "SECRET"
        1 | [token.konexus]
          |        ^~~~~~~
      /etc/k.toml:3:13: error: 'client_id' is '…'; only printable ASCII characters can be sent (RFC 6749, appendix A)
        3 | client_id = …
          |             ^
      /etc/k.toml:5:11: error: 'timeout' is 0 s; give 1 s to 5 min
        5 | timeout = "0s"
          |           ^~~~
      """),
  ]
}
