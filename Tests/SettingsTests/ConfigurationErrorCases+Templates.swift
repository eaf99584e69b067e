extension ConfigurationErrorCase {
  private static func template(_ value: String) -> String {
    token("[[token.konexus.output]]\nformat = \"template\"\ntemplate = \(value)")
  }

  /// Templates. The excerpt does not show them, because they can hold secrets of other programs.
  static let templates: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "template with a misspelt name",
      template(#""Bearer {tokn}""#),
      """
      /etc/k.toml:7:20: error: 'template' contains {tokn}, which is no placeholder; did you mean {token}?
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with another name",
      template(#""é {token} {refresh_token_of_mine}""#),
      """
      /etc/k.toml:7:23: error: 'template' contains {refresh_token_of_mine}, which is no placeholder; known are \
      {token}, {expires_at}, {expires_at_unix}; write '{{' for a literal brace
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with spaces in braces",
      template(#""{ token }""#),
      """
      /etc/k.toml:7:13: error: 'template' contains { token }, which is no placeholder; did you mean {token}?
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with empty braces, behind escapes",
      template(#""\t\u00e9\"\\ {}{token}""#),
      """
      /etc/k.toml:7:26: error: 'template' contains {}, which is no placeholder; known are {token}, {expires_at}, \
      {expires_at_unix}; write '{{' for a literal brace
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with several lines",
      template("'''\n# s3cr3t {{x}}\nheader = \"{token}\"\n  until {expires}\n'''"),
      """
      /etc/k.toml:10:9: error: 'template' contains {expires}, which is no placeholder; did you mean {expires_at}?
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with braces around something else",
      template(#"'server {proxy-user="s3cr3t"; {token}}'"#),
      """
      /etc/k.toml:7:20: error: 'template' has a '{' without a '}'; write '{{' for a literal brace
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with a secret in braces",
      template(#"'{proxy-user="s3cr3t"} {token}'"#),
      """
      /etc/k.toml:7:13: error: 'template' contains braces, which are no placeholder; known are {token}, {expires_at}, \
      {expires_at_unix}; write '{{' for a literal brace
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with a single closing brace",
      template(#"'{{"token": "{token}"}'"#),
      """
      /etc/k.toml:7:33: error: 'template' has a '}' without a '{'; write '}}' for a literal brace
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with a brace at its end",
      template("'{token}{'"),
      """
      /etc/k.toml:7:20: error: 'template' has a '{' without a '}'; write '{{' for a literal brace
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template without the token",
      template("'until {expires_at}'"),
      """
      /etc/k.toml:7:12: error: 'template' has no {token}; write {token} where the token belongs
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template of another language",
      template("'Bearer {{token}}'"),
      """
      /etc/k.toml:7:12: error: 'template' has no {token}; '{{' is a literal brace: write {token} where the token belongs
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template with a control character",
      template(#""{token}\u0000""#),
      """
      /etc/k.toml:7:20: error: 'template' contains a control character; remove it
        7 | template = …
          |            ^
      """),
    ConfigurationErrorCase(
      "template that is no string",
      template("7"),
      """
      /etc/k.toml:7:12: error: 'template' takes a string with placeholders, not the integer 7
        7 | template = 7
          |            ^
      """),
    ConfigurationErrorCase(
      "template missing, and one without its format",
      token(
        """
        [[token.konexus.output]]
        format = "template"
        [[token.konexus.output]]
        template = "{token}"
        path = "/run/a"
        [[token.konexus.output]]
        format = "env"
        template = "{token}"
        [[token.konexus.output]]
        format = "tempalte"
        template = "{token}"
        path = "/run/b"
        """),
      """
      /etc/k.toml:5:1: error: [token.konexus.output] has no 'template', which format = "template" needs; write one, as \
      in template = "Authorization: Bearer {token}"
        5 | [[token.konexus.output]]
          | ^~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:8:1: error: 'template' is for format = "template" alone; add that, or remove it
        8 | template = …
          | ^~~~~~~~
      /etc/k.toml:12:1: error: 'template' is for format = "template" alone; add that, or remove it
        12 | template = …
           | ^~~~~~~~
      /etc/k.toml:14:10: error: 'format' is 'tempalte'; did you mean "template"?
        14 | format = "tempalte"
           |          ^~~~~~~~~~
      /etc/k.toml:15:1: error: 'template' is for format = "template" alone; add that, or remove it
        15 | template = …
           | ^~~~~~~~
      """),
    ConfigurationErrorCase(
      "two templates at the default path",
      token(
        """
        [[token.konexus.output]]
        format = "template"
        template = "{token}"
        [[token.konexus.output]]
        format = "template"
        template = "{token}"
        """),
      """
      /etc/k.toml:8:1: error: [token.konexus.output] writes to '/run/konexus-tokend/konexus.conf', and so does \
      [token.konexus.output] (line 5); give each a file of its own
        8 | [[token.konexus.output]]
          | ^~~~~~~~~~~~~~~~~~~~~~~~
      """),
  ]
}
