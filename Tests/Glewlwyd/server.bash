# server.bash: a Glewlwyd for this test, over HTTPS on loopback, with all its files in $work. To be sourced.

issuer() { echo "https://localhost:$port/api/oidc"; }

# certificates: an authority, and what it signs: the server's certificate and a client's.
certificates() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out "$work/ca.pem" \
    -days 2 -subj '/CN=Test CA' 2>/dev/null
  local name
  for name in server client; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$name.key" -out "$work/$name.csr" \
      -subj "/CN=$name" 2>/dev/null
    openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
      -out "$work/$name.pem" -extfile <(
        printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=%sAuth\n' "$name"
        [[ $name == server ]] && names='DNS:localhost,IP:127.0.0.1' || names='DNS:gauge.example'
        echo "subjectAltName=$names"
      ) 2>/dev/null
  done
}

# start_server: on a port that is free; sets $port and $server.
start_server() {
  local try
  sqlite3 "$work/db" </usr/share/dbconfig-common/data/glewlwyd/install/sqlite3
  for try in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    cat >"$work/glewlwyd.conf" <<CONF
port=$port
bind_address="127.0.0.1"
external_url="https://localhost:$port"
api_prefix="api"
log_mode="console"
log_level="INFO"
session_key="S"
session_expiration=3600
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
use_secure_connection=true
secure_connection_key_file="$work/server.key"
secure_connection_pem_file="$work/server.pem"
secure_connection_ca_file="$work/ca.pem"
hash_algorithm="SHA512"
database = { type = "sqlite3" path = "$work/db" };
CONF
    glewlwyd --config-file="$work/glewlwyd.conf" >>"$work/server.log" 2>&1 &
    server=$!
    if within 10 answers; then return 0; fi
    kill "$server" 2>/dev/null || true
  done
  return 1
}

# answers: whether this server answers. True also if it has ended, because it will never answer.
answers() {
  kill -0 "$server" 2>/dev/null || return 0
  call /config >/dev/null 2>&1
}

# call PATH CURL-ARGUMENT...: a request to the server.
call() { curl --silent --show-error --fail --cacert "$work/ca.pem" "https://localhost:$port$1" "${@:2}"; }

# admin PATH JSON [CURL-ARGUMENT...]: a request by the administrator, with the password that every Glewlwyd begins with.
admin() {
  call "/api/$1" --cookie "$work/cookies" --cookie-jar "$work/cookies" --header 'Content-Type: application/json' \
    --data "$2" "${@:3}" >/dev/null
}

# plugin KEY: the OpenID Connect plugin's settings: tokens of 8 s, signed with KEY.
plugin() {
  openssl pkey -in "$1" -pubout -out "$1.pub"
  jq --null-input --arg iss "$(issuer)" --rawfile key "$1" --rawfile cert "$1.pub" '{
    module: "oidc", name: "oidc", display_name: "oidc", order_rank: 0, parameters: {
      iss: $iss, "jwt-type": "rsa", "jwt-key-size": "256", key: $key, cert: $cert, "jwks-show": true,
      "subject-type": "public",
      "access-token-duration": 8, "refresh-token-duration": 100, "code-duration": 100, "refresh-token-rolling": true,
      "allow-non-oidc": true, "auth-type-client-enabled": true, "auth-type-code-enabled": true,
      "auth-type-code-revoke-replayed": false,
      "auth-type-token-enabled": false, "auth-type-password-enabled": false, "auth-type-refresh-enabled": false,
      "introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
      "introspection-revocation-auth-scope": ["tamarack"],
      "request-parameter-allow": true, "client-pubkey-parameter": "pubkey", "client-jwks-parameter": "jwks",
      "client-cert-source": "TLS", "client-cert-use-endpoint-aliases": true } }'
}

# client ID METHOD PROPERTIES: registers a client that may ask for the scope tamarack.
client() {
  admin client/ "$(jq --null-input --arg id "$1" --arg method "$2" --argjson more "$3" '{
    client_id: $id, name: $id, confidential: true, enabled: true, scope: ["tamarack"],
    authorization_type: ["client_credentials"],
    token_endpoint_auth_method: [$method], redirect_uri: ["https://localhost/"] } + $more')"
}
