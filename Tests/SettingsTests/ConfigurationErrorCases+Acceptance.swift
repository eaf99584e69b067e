extension ConfigurationErrorCase {
  /// The keys that keep a token accepted: `max_age`, `recheck_interval` and `api_url`.
  static let acceptance: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "max_age too short",
      token(#"max_age = "59s""#),
      """
      /etc/k.toml:5:11: error: 'max_age' is 59 s; give 1 min to 366 d
        5 | max_age = "59s"
          |           ^~~~~
      """),
    ConfigurationErrorCase(
      "max_age zero",
      token(#"max_age = 0"#),
      """
      /etc/k.toml:5:11: error: 'max_age' is 0 s; give 1 min to 366 d
        5 | max_age = 0
          |           ^
      """),
    ConfigurationErrorCase(
      "max_age too long",
      token(#"max_age = "367d""#),
      """
      /etc/k.toml:5:11: error: 'max_age' is 367 d; give 1 min to 366 d
        5 | max_age = "367d"
          |           ^~~~~~
      """),
    ConfigurationErrorCase(
      "max_age in another unit",
      token(#"max_age = "1w""#),
      """
      /etc/k.toml:5:11: error: 'max_age' is '1w'; write a number and a unit (s, m, h or d), as in "30s" or "2m"
        5 | max_age = "1w"
          |           ^~~~
      """),
    ConfigurationErrorCase(
      "max_age off",
      token(#"max_age = false"#),
      """
      /etc/k.toml:5:11: error: 'max_age' takes a duration in seconds, or with a unit as in "30s" or "2m", not false
        5 | max_age = false
          |           ^~~~~
      """),
    ConfigurationErrorCase(
      "recheck_interval too short",
      token(#"recheck_interval = "30s""#),
      """
      /etc/k.toml:5:20: error: 'recheck_interval' is 30 s; give 1 min to 1 d
        5 | recheck_interval = "30s"
          |                    ^~~~~
      """),
    ConfigurationErrorCase(
      "recheck_interval too long",
      token(#"recheck_interval = "25h""#),
      """
      /etc/k.toml:5:20: error: 'recheck_interval' is 25 h; give 1 min to 1 d
        5 | recheck_interval = "25h"
          |                    ^~~~~
      """),
    ConfigurationErrorCase(
      "recheck_interval of the wrong type",
      token(#"recheck_interval = 1.5"#),
      """
      /etc/k.toml:5:20: error: 'recheck_interval' takes a duration in seconds, or with a unit as in "30s" or "2m", \
      not the number 1.5
        5 | recheck_interval = 1.5
          |                    ^~~
      """),
    ConfigurationErrorCase(
      "recheck_interval without a check",
      token(
        """
        verify = "none"
        recheck_interval = "5m"
        """),
      """
      /etc/k.toml:6:1: error: 'recheck_interval' has no effect with verify = "none" and without 'api_url'; remove it
        6 | recheck_interval = …
          | ^~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "recheck_interval beside an api_url with a fault",
      token(
        """
        verify = "none"
        recheck_interval = "5m"
        api_url = ""
        """),
      """
      /etc/k.toml:7:11: error: 'api_url' is empty; give the https URL of the API, or leave it out
        7 | api_url = ""
          |           ^~
      """),
    ConfigurationErrorCase(
      "keys of acceptance in the other table",
      """
      [daemon]
      max_age = "1d"
      recheck_interval = "15m"
      api_url = "https://a"

      """ + token(""),
      """
      /etc/k.toml:2:1: error: unknown key 'max_age' in [daemon]; it belongs in [token.NAME]
        2 | max_age = …
          | ^~~~~~~
      /etc/k.toml:3:1: error: unknown key 'recheck_interval' in [daemon]; it belongs in [token.NAME]
        3 | recheck_interval = …
          | ^~~~~~~~~~~~~~~~
      /etc/k.toml:4:1: error: unknown key 'api_url' in [daemon]; it belongs in [token.NAME]
        4 | api_url = …
          | ^~~~~~~
      """),
    ConfigurationErrorCase(
      "misspelt keys of acceptance",
      token(
        """
        max-age = "1d"
        recheck_intervall = "15m"
        apiurl = "https://a"
        """),
      """
      /etc/k.toml:5:1: error: unknown key 'max-age' in [token.konexus]; did you mean 'max_age'?
        5 | max-age = …
          | ^~~~~~~
      /etc/k.toml:6:1: error: unknown key 'recheck_intervall' in [token.konexus]; did you mean 'recheck_interval'?
        6 | recheck_intervall = …
          | ^~~~~~~~~~~~~~~~~
      /etc/k.toml:7:1: error: unknown key 'apiurl' in [token.konexus]; did you mean 'api_url'?
        7 | apiurl = …
          | ^~~~~~
      """),
    ConfigurationErrorCase(
      "api_url over http",
      token(#"api_url = "http://api.example/x""#),
      """
      /etc/k.toml:5:11: error: 'api_url' is 'http://api.example/x', which would send the token in clear text; give it \
      with https:// in front (http is for localhost alone)
        5 | api_url = "http://api.example/x"
          |           ^~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "api_url without a scheme",
      token(#"api_url = "admin.alertsense.com""#),
      """
      /etc/k.toml:5:11: error: 'api_url' is 'admin.alertsense.com', which is no URL; give it with https:// in front
        5 | api_url = "admin.alertsense.com"
          |           ^~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "api_url with a fragment",
      token(#"api_url = "https://api.example/#x""#),
      """
      /etc/k.toml:5:11: error: 'api_url' is 'https://api.example/#x', which has a fragment; remove it from the '#' on
        5 | api_url = "https://api.example/#x"
          |           ^~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "api_url with a password",
      token(#"api_url = "https://user:hunter2@api.example""#),
      """
      /etc/k.toml:5:11: error: 'api_url' is '…', which holds a user name or password; remove all up to the '@'
        5 | api_url = …
          |           ^
      """),
    ConfigurationErrorCase(
      "api_url without a host",
      token(#"api_url = "https:///x""#),
      """
      /etc/k.toml:5:11: error: 'api_url' is 'https:///x', which has no valid host and port behind '://'; correct it
        5 | api_url = "https:///x"
          |           ^~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "api_url on and off",
      token(#"api_url = true"#),
      """
      /etc/k.toml:5:11: error: 'api_url' takes an https URL, as a string, not true
        5 | api_url = true
          |           ^~~~
      """),
    ConfigurationErrorCase(
      "api_url twice",
      token(#"api_url = ["https://a", "https://b"]"#),
      """
      /etc/k.toml:5:11: error: 'api_url' takes an https URL, as a string, not an array
        5 | api_url = ["https://a", "https://b"]
          |           ^~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
  ]
}
