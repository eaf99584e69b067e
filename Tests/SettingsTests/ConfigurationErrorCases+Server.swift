extension ConfigurationErrorCase {
  /// The server's addresses, its tokens' issuer, and the client that introspects.
  static let server: [ConfigurationErrorCase] = [
    ConfigurationErrorCase(
      "discovery_url without a scheme",
      token(#"discovery_url = "login.example.org/metadata""#),
      """
      /etc/k.toml:5:17: error: 'discovery_url' is 'login.example.org/metadata', which is no URL; give it with https:// \
      in front
        5 | discovery_url = "login.example.org/metadata"
          |                 ^~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "token_endpoint by http",
      token(#"token_endpoint = "http://auth.alertsense.com/t""#),
      """
      /etc/k.toml:5:18: error: 'token_endpoint' is 'http://auth.alertsense.com/t', which would send the request in \
      clear text; give it with https:// in front (http is for localhost alone)
        5 | token_endpoint = "http://auth.alertsense.com/t"
          |                  ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "an http address on this host, for a remote issuer",
      token(
        """
        token_endpoint = "http://localhost:8080/t"
        discovery_url = "http://127.0.0.1/d"
        """),
      """
      /etc/k.toml:5:18: error: 'token_endpoint' is an http URL, and 'issuer' is an https URL; give it with https:// in \
      front
        5 | token_endpoint = …
          |                  ^
      /etc/k.toml:6:17: error: 'discovery_url' is an http URL, and 'issuer' is an https URL; give it with https:// in \
      front
        6 | discovery_url = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "jwks_uri with a fragment",
      token(#"jwks_uri = "https://auth.alertsense.com/k#1""#),
      """
      /etc/k.toml:5:12: error: 'jwks_uri' is 'https://auth.alertsense.com/k#1', which has a fragment; remove it from \
      the '#' on
        5 | jwks_uri = "https://auth.alertsense.com/k#1"
          |            ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "an empty address, and one with a password",
      token(
        """
        discovery_url = ""
        token_endpoint = "https://u:hunter2@auth.alertsense.com/t"
        """),
      """
      /etc/k.toml:5:17: error: 'discovery_url' is empty; give the https URL, or leave it out
        5 | discovery_url = ""
          |                 ^~
      /etc/k.toml:6:18: error: 'token_endpoint' is '…', which holds a user name or password; remove all up to the '@'
        6 | token_endpoint = …
          |                  ^
      """),
    ConfigurationErrorCase(
      "settings about the server without an effect",
      token(
        """
        introspection_endpoint = "https://auth.alertsense.com/i"
        revocation_endpoint = "https://auth.alertsense.com/r"
        introspection = { client_id = "api", client_secret = "s3cr3t-value" }
        """),
      """
      /etc/k.toml:5:1: error: 'introspection_endpoint' counts with verify = "introspection" alone; set that, or remove \
      it
        5 | introspection_endpoint = …
          | ^~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:6:1: error: 'revocation_endpoint' counts with revoke_on_stop = true alone; set that, or remove it
        6 | revocation_endpoint = …
          | ^~~~~~~~~~~~~~~~~~~
      /etc/k.toml:7:1: error: 'introspection' counts with verify = "introspection" alone; set that, or remove it
        7 | introspection = …
          | ^~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "settings about verification without any",
      token(
        """
        verify = "none"
        jwks_uri = "https://auth.alertsense.com/k"
        access_token_issuer = "http://adfs.example.org/trust"
        """),
      """
      /etc/k.toml:6:1: error: 'jwks_uri' counts with verify = "jwt" alone; set that, or remove it
        6 | jwks_uri = …
          | ^~~~~~~~
      /etc/k.toml:7:1: error: 'access_token_issuer' counts with verify = "jwt" or "introspection" alone; set that, or \
      remove it
        7 | access_token_issuer = …
          | ^~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "assertion_certificate_file without a key",
      token(#"assertion_certificate_file = "/nonexistent/certificate.pem""#),
      """
      /etc/k.toml:5:1: error: 'assertion_certificate_file' counts with client_auth = "private_key_jwt" or "auto" \
      alone; set that, or remove it
        5 | assertion_certificate_file = …
          | ^~~~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:5:1: error: 'assertion_certificate_file' goes with a 'private_key_file', which is missing; add it
        5 | assertion_certificate_file = …
          | ^~~~~~~~~~~~~~~~~~~~~~~~~~
      /etc/k.toml:5:30: error: 'assertion_certificate_file': '/nonexistent/certificate.pem' does not exist -> \
      create it, or correct the path
        5 | assertion_certificate_file = "/nonexistent/certificate.pem"
          |                              ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "introspection is no table",
      token(
        """
        verify = "introspection"
        introspection = "s3cr3t-value"
        """),
      """
      /etc/k.toml:6:17: error: 'introspection' takes a table, as in introspection = { client_id = "api", \
      client_secret_file = "PATH" }, not a string
        6 | introspection = …
          |                 ^
      """),
    ConfigurationErrorCase(
      "introspection without a client and its credentials",
      token(
        """
        verify = "introspection"
        [token.konexus.introspection]
        basic_encoding = "raw"
        """),
      """
      /etc/k.toml:6:16: error: [token.konexus.introspection] has no 'client_id'; give the one that the authorization \
      server's operator handed out
        6 | [token.konexus.introspection]
          |                ^~~~~~~~~~~~~
      /etc/k.toml:6:16: error: [token.konexus.introspection] has no client secret or key; give client_secret_file or \
      private_key_file
        6 | [token.konexus.introspection]
          |                ^~~~~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "introspection with a key of the client's table, and two secrets",
      token(
        """
        verify = "introspection"
        [token.konexus.introspection]
        client_id = "api"
        client_secret = "s3cr3t-value"
        client_secret_file = "/nonexistent/api"
        scope = "x"
        client_idd = "y"
        """),
      """
      /etc/k.toml:9:1: error: 'client_secret_file' comes in addition to 'client_secret' (line 8); keep one of the two
        9 | client_secret_file = …
          | ^~~~~~~~~~~~~~~~~~
      /etc/k.toml:9:22: error: 'client_secret_file': '/nonexistent/api' does not exist -> create it, or correct the path
        9 | client_secret_file = "/nonexistent/api"
          |                      ^~~~~~~~~~~~~~~~~~
      /etc/k.toml:10:1: error: unknown key 'scope' in [token.konexus.introspection]; it belongs in [token.NAME]
        10 | scope = …
           | ^~~~~
      /etc/k.toml:11:1: error: unknown key 'client_idd' in [token.konexus.introspection]; did you mean 'client_id'?
        11 | client_idd = …
           | ^~~~~~~~~~
      """),
    ConfigurationErrorCase(
      "introspection by a certificate",
      token(
        """
        verify = "introspection"
        introspection = { client_id = "api", client_auth = "tls_client_auth" }
        """),
      """
      /etc/k.toml:6:52: error: 'client_auth' of [token.konexus.introspection] cannot be a certificate, which belongs \
      to the connection; give a client secret or key
        6 | client_auth = "tls_client_auth"
          |               ^~~~~~~~~~~~~~~~~
      """),
  ]
}
