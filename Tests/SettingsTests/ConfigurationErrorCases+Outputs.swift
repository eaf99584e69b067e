extension ConfigurationErrorCase {
  static let outputs: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "mode an integer",
      token("mode = 640"),
      """
      /etc/k.toml:5:8: error: 'mode' takes a file mode in octal, as a string such as "0640", not the integer 640; \
      TOML's integers are decimal, so this is mode 01200; write mode = "0640"
        5 | mode = 640
          |        ^~~
      """),
    ConfigurationErrorCase(
      "mode an octal integer",
      token("mode = 0o640"),
      """
      /etc/k.toml:5:8: error: 'mode' takes a file mode in octal, as a string such as "0640", not the integer 0o640; \
      write mode = "0640"
        5 | mode = 0o640
          |        ^~~~~
      """),
    ConfigurationErrorCase(
      "mode with a leading zero",
      token("mode = 0640"),
      """
      /etc/k.toml:5:8: error: syntax: a number does not begin with 0; a file's mode is a string, as in mode = "0640"
        5 | mode = …
          |        ^
      """),
    ConfigurationErrorCase(
      "mode not octal",
      token(#"mode = "0680""#),
      """
      /etc/k.toml:5:8: error: 'mode' is '0680'; give three or four octal digits, such as "0640"
        5 | mode = "0680"
          |        ^~~~~~
      """),
    ConfigurationErrorCase(
      "mode too short",
      token(#"mode = "40""#),
      """
      /etc/k.toml:5:8: error: 'mode' is '40'; give three or four octal digits, such as "0640"
        5 | mode = "40"
          |        ^~~~
      """),
    ConfigurationErrorCase(
      "mode writable by others",
      token(#"mode = "0666""#),
      """
      /etc/k.toml:5:8: error: 'mode' is '0666', with which any user on this host could replace the token; clear the \
      others' write bit, as in "0640"
        5 | mode = "0666"
          |        ^~~~~~
      """),
    ConfigurationErrorCase(
      "mode unreadable by the owner",
      token(#"mode = "0240""#),
      """
      /etc/k.toml:5:8: error: 'mode' is '0240'; the daemon itself must be able to read the token: set the owner's read \
      bit, as in "0640"
        5 | mode = "0240"
          |        ^~~~~~
      """),
    ConfigurationErrorCase(
      "mode executable",
      token(#"mode = "0750""#),
      """
      /etc/k.toml:5:8: error: 'mode' is '0750', with which the token could be executed; clear the execute bits, as in \
      "0640"
        5 | mode = "0750"
          |        ^~~~~~
      """),
    ConfigurationErrorCase(
      "mode with set-user-ID",
      token(#"mode = "4640""#),
      """
      /etc/k.toml:5:8: error: 'mode' is '4640'; set-user-ID, set-group-ID and sticky bits make no sense on a token
        5 | mode = "4640"
          |        ^~~~~~
      """),
    ConfigurationErrorCase(
      "file relative",
      token(#"file = "konexus.token""#),
      """
      /etc/k.toml:5:8: error: 'file' is 'konexus.token', which is relative; give an absolute path, one that begins \
      with '/'
        5 | file = "konexus.token"
          |        ^~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "file a directory",
      token(#"file = "/run/konexus-tokend/""#),
      """
      /etc/k.toml:5:8: error: 'file' is '/run/konexus-tokend/', a directory; give a file
        5 | file = "/run/konexus-tokend/"
          |        ^~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "file with ..",
      token(#"file = "/run/konexus-tokend/../x""#),
      """
      /etc/k.toml:5:8: error: 'file' is '/run/konexus-tokend/../x', with '..' in it; give the path without
        5 | file = "/run/konexus-tokend/../x"
          |        ^~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "two tokens in one file",
      token(
        """
        file = "/run//konexus-tokend/./b.token"

        [token.b]
        issuer = "https://auth.alertsense.com"
        client_id = "c"
        client_secret = "s3cr3t-value"
        """),
      """
      /etc/k.toml:7:8: error: [token.b] writes to '/run/konexus-tokend/b.token', and so does [token.konexus] (line 5); \
      give each a file of its own
        7 | [token.b]
          |        ^
      """),
    ConfigurationErrorCase(
      "file over the configuration",
      token(#"file = "/etc/k.toml""#),
      """
      /etc/k.toml:5:8: error: [token.konexus] writes to '/etc/k.toml', which is this very configuration; give another \
      path
        5 | file = "/etc/k.toml"
          |        ^~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "file over the daemon's own",
      token(
        """
        file = "/run/konexus-tokend/status.json"

        [token.b]
        issuer = "https://auth.alertsense.com"
        client_id = "c"
        client_secret = "s3cr3t-value"
        file = "/run/konexus-tokend/konexus.state"
        """),
      """
      /etc/k.toml:5:8: error: [token.konexus] writes to '/run/konexus-tokend/status.json', where the daemon keeps its \
      status; give another path
        5 | file = "/run/konexus-tokend/status.json"
          |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:11:8: error: [token.b] writes to '/run/konexus-tokend/konexus.state', where the daemon keeps the \
      state of [token.konexus] for a restart; give another path
        11 | file = "/run/konexus-tokend/konexus.state"
           |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "file over the daemon's sockets and locks",
      token(
        """
        file = "/run/konexus-tokend/control"

        [token.b]
        issuer = "https://auth.alertsense.com"
        client_id = "c"
        client_secret = "s3cr3t-value"
        file = "/run/konexus-tokend/.konexus-tokend.lock"

        [token.c]
        issuer = "https://auth.alertsense.com"
        client_id = "c"
        client_secret = "s3cr3t-value"
        file = "/run/elsewhere/.konexus-tokend.lock"

        [token.d]
        issuer = "https://auth.alertsense.com"
        client_id = "d"
        client_secret = "s3cr3t-value"
        file = "/run/konexus-tokend/reject.sock"
        """),
      """
      /etc/k.toml:5:8: error: [token.konexus] writes to '/run/konexus-tokend/control', \
      where the daemon keeps its control socket; give another path
        5 | file = "/run/konexus-tokend/control"
          |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:11:8: error: [token.b] writes to '/run/konexus-tokend/.konexus-tokend.lock', \
      where the daemon keeps its lock on the directory; give another path
        11 | file = "/run/konexus-tokend/.konexus-tokend.lock"
           |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:17:8: error: [token.c] writes to '/run/elsewhere/.konexus-tokend.lock', \
      where the daemon keeps its lock on the directory; give another path
        17 | file = "/run/elsewhere/.konexus-tokend.lock"
           |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:23:8: error: [token.d] writes to '/run/konexus-tokend/reject.sock', \
      where the daemon keeps its socket for rejected tokens; give another path
        23 | file = "/run/konexus-tokend/reject.sock"
           |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "output single brackets",
      token(
        """
        [token.konexus.output]
        format = "json"
        """),
      """
      /etc/k.toml:5:16: error: [token.konexus.output] is a list of tables; write it with two brackets: \
      [[token.konexus.output]]
        5 | [token.konexus.output]
          |                ^~~~~~
      """),
    ConfigurationErrorCase(
      "outputs",
      token(
        """
        [[token.konexus.output]]
        [[token.konexus.output]]
        format = "json"
        variable = "X"
        paht = "/x"
        [[token.konexus.output]]
        format = "env"
        variable = "1X"
        path = "/run/konexus-tokend/konexus.json"
        """),
      """
      /etc/k.toml:5:1: error: [token.konexus.output] writes to '/run/konexus-tokend/konexus.token', and so does \
      [token.konexus] (line 1); give each a file of its own
        5 | [[token.konexus.output]]
          | ^~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:8:1: error: 'variable' is for format = "env" alone; add that, or remove it
        8 | variable = …
          | ^~~~~~~~
      /etc/k.toml:9:1: error: unknown key 'paht' in [token.konexus.output]; did you mean 'path'?
        9 | paht = …
          | ^~~~
      /etc/k.toml:12:12: error: 'variable' is '1X'; take letters, digits and '_', no digit first
        12 | variable = "1X"
           |            ^~~~
      /etc/k.toml:13:8: error: [token.konexus.output] writes to '/run/konexus-tokend/konexus.json', and so does \
      [token.konexus.output] (line 6); give each a file of its own
        13 | path = "/run/konexus-tokend/konexus.json"
           |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "signal",
      token(#"signal = { signal = "KILL" }"#),
      """
      /etc/k.toml:5:1: error: [token.konexus.signal] has no 'pid_file'; name the file with the process's id, as in \
      pid_file = "/run/reader.pid"
        5 | signal = …
          | ^~~~~~
      /etc/k.toml:5:21: error: 'signal' is 'KILL'; give "HUP", "USR1", "USR2", "INT" or "TERM"
        5 | signal = "KILL"
          |          ^~~~~~
      """),
    ConfigurationErrorCase(
      "signal a string",
      token(#"signal = "HUP""#),
      """
      /etc/k.toml:5:10: error: 'signal' takes a table, as in signal = { pid_file = "/run/reader.pid", signal = "HUP" \
      }, not a string
        5 | signal = "HUP"
          |          ^~~~~
      """),
    ConfigurationErrorCase(
      "allow_units",
      token(#"allow_units = ["flood-alert", "sync@*.service"]"#),
      """
      /etc/k.toml:5:15: error: 'allow_units' holds 'flood-alert', which is no unit's name; give it in full, as in \
      "flood-alert.service"
        5 | allow_units = ["flood-alert", "sync@*.service"]
          |               ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "allow_units a string",
      token(#"allow_units = "flood-alert.service""#),
      """
      /etc/k.toml:5:15: error: 'allow_units' takes an array of units, as in ["flood-alert.service", "sync@*.service"], \
      not a string
        5 | allow_units = "flood-alert.service"
          |               ^~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "min_validity",
      token(#"min_validity = "2h""#),
      """
      /etc/k.toml:5:16: error: 'min_validity' is 2 h; give 0 s to 1 h
        5 | min_validity = "2h"
          |                ^~~~
      """),
    ConfigurationErrorCase(
      "daemon",
      """
      [daemon]
      log_level = "verbose"
      log_format = "txt"
      allow_persistent_storage = 1
      max_requests = 0
      metrics_file = "x.prom"
      credential_socket = "/run/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
      xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:13: error: 'log_level' is 'verbose'; give "trace", "debug", "info", "notice", "warning", "error" \
      or "critical"
        2 | log_level = "verbose"
          |             ^~~~~~~~~
      /etc/k.toml:3:14: error: 'log_format' is 'txt'; did you mean "text"?
        3 | log_format = "txt"
          |              ^~~~~
      /etc/k.toml:4:28: error: 'allow_persistent_storage' takes true or false, not the integer 1
        4 | allow_persistent_storage = 1
          |                            ^
      /etc/k.toml:5:16: error: 'max_requests' is 0; give an integer from 1 to 1000
        5 | max_requests = 0
          |                ^
      /etc/k.toml:6:16: error: 'metrics_file' is 'x.prom', which is relative; give an absolute path, one that begins \
      with '/'
        6 | metrics_file = "x.prom"
          |                ^~~~~~~~
      /etc/k.toml:7:21: error: 'credential_socket' is 115 bytes long; a socket's path has 107 at most (unix(7))
        7 | credential_socket = …
          |                     ^
      """),
    ConfigurationErrorCase(
      "daemon's files in each other's way",
      """
      [daemon]
      metrics_file = "/run/konexus-tokend/konexus.prom"

      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      file = "/run/konexus-tokend/konexus.prom"
      """,
      """
      /etc/k.toml:8:8: error: [token.konexus] writes to '/run/konexus-tokend/konexus.prom', and so does [daemon] (line \
      2); give each a file of its own
        8 | file = "/run/konexus-tokend/konexus.prom"
          |        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "metrics that nobody would read",
      """
      [daemon]
      metrics_file = "/var/lib/prometheus/node-exporter/konexus.txt"

      [token.konexus]
      issuer = "https://auth.alertsense.com"
      client_id = "c"
      client_secret = "s3cr3t-value"
      """,
      """
      /etc/k.toml:2:16: error: 'metrics_file' is '/var/lib/prometheus/node-exporter/konexus.txt'; node_exporter reads \
      files whose names end in '.prom' only: give one that does
        2 | metrics_file = "/var/lib/prometheus/node-exporter/konexus.txt"
          |                ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
  ]
}
