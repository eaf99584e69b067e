extension ConfigurationErrorCase {
  /// Characters that word processors and web pages put in.
  static let characters: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "typographic quotes",
      """
      [token.konexus]
      issuer = “https://auth.alertsense.com”
      client_id = ‘c’
      client_secret = „s3cr3t-value“
      """,
      """
      /etc/k.toml:2:10: error: syntax: a typographic quote (U+201C) stands here; write a plain quote, " or '
        2 | issuer = …
          |          ^
      /etc/k.toml:3:13: error: syntax: a typographic quote (U+2018) stands here; write a plain quote, " or '
        3 | client_id = …
          |             ^
      /etc/k.toml:4:17: error: syntax: a typographic quote (U+201E) stands here; write a plain quote, " or '
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "a plain quote and a typographic one",
      """
      [token.konexus]
      client_secret = "s3cr3t-value”
      """,
      """
      /etc/k.toml:2:30: error: syntax: a typographic quote (U+201D) stands here; write a plain quote, " or '
        2 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "a typographic quote in an array",
      """
      [token.konexus]
      client_secret = ["s3cr3t-value", “s3cr3t-next”]
      """,
      """
      /etc/k.toml:2:34: error: syntax: a typographic quote (U+201C) stands here; write a plain quote, " or '
        2 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "typographic quotes around a key",
      """
      [token.konexus]
      “timeout” = 5
      """,
      """
      /etc/k.toml:2:1: error: syntax: a typographic quote (U+201C) stands here; write a plain quote, " or '
      """),
    ConfigurationErrorCase(
      "no-break spaces",
      """
      [token.konexus]
      \u{a0}issuer = "https://auth.alertsense.com"
      client_id =\u{a0}"c"
      client_secret = "s3cr3t-value"\u{a0}# “comment”
      timeout\u{a0}= 5
      mode = "0640"\u{2003}
      refresh_at = 0.5\u{200b}
      """,
      """
      /etc/k.toml:2:1: error: syntax: a no-break space (U+00A0) stands here; write a plain space
      /etc/k.toml:3:12: error: syntax: a no-break space (U+00A0) stands here; write a plain space
        3 | client_id = …
          |             ^
      /etc/k.toml:4:31: error: syntax: a no-break space (U+00A0) stands here; write a plain space
      /etc/k.toml:5:8: error: syntax: a no-break space (U+00A0) stands here; write a plain space
        5 | timeout = …
          |           ^
      /etc/k.toml:6:14: error: syntax: a typographic space (U+2003) stands here; write a plain space
      /etc/k.toml:7:17: error: syntax: a zero-width space (U+200B) stands here; remove it
        7 | refresh_at = …
          |              ^
      """),
    ConfigurationErrorCase(
      "typographic quotes that are no fault, and another one",
      token("# “comment”\nproxy = none # “none”\nscop = \"“x”\"\nmode = \"0640\"\nmode = '“0600”'"),
      """
      /etc/k.toml:6:9: error: syntax: this is not a value; put a string into quotes
        6 | proxy = …
          |         ^
      /etc/k.toml:7:1: error: unknown key 'scop' in [token.konexus]; did you mean 'scope'?
        7 | scop = …
          | ^~~~
      /etc/k.toml:9:1: error: syntax: each key and each table is given once; this name is taken already (line 8)
        9 | mode = …
          |        ^
      """),
    ConfigurationErrorCase(
      "secrets with characters that no secret has",
      token("").replacing("\"s3cr3t-value\"", with: #"["s3cr3t\t-value", "\u00e4\u0041s3cr3t\u00A0v"]"#),
      """
      /etc/k.toml:4:25: error: 'client_secret' contains a tab at character 7; give the secret as the authorization \
      server's operator handed it out
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "a secret in typographic quotes, with escapes before the place",
      token("").replacing("\"s3cr3t-value\"", with: #"["s", "\u00e4\u0041s3cr3t\U00000022v’"]"#),
      """
      /etc/k.toml:4:53: error: 'client_secret' ends with a typographic quote (U+2019); remove it
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "a secret with a name before it",
      token("").replacing("\"s3cr3t-value\"", with: "'client_secret=s3cr3t-value'"),
      """
      /etc/k.toml:4:17: error: 'client_secret' begins with the name of a setting; remove the name, and the quotes \
      around the secret
        4 | client_secret = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "other values with such characters",
      token("").replacing("\"c\"", with: "\"c\u{a0}\"").replacing("alertsense.com", with: "alertsense.com\u{200b}")
        + "\naudience = [\"tamarack\", \"“other”\"]",
      """
      /etc/k.toml:2:10: error: 'issuer' is 'https://auth.alertsense.com\\u{200b}', which contains a zero-width space \
      (U+200B); remove it
        2 | issuer = "https://auth.alertsense.com\\u{200b}"
          |          ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:3:15: error: 'client_id' contains a no-break space (U+00A0); remove it
        3 | client_id = "c\u{a0}"
          |               ^
      /etc/k.toml:6:26: error: 'audience' contains a typographic quote (U+201C); remove it
        6 | audience = ["tamarack", "“other”"]
          |                          ^
      """),
  ]
}
