#!/bin/sh
# flood-watch.sh: polls a river gauge and sends an alert through the Konexus API when the water is too high. Needs curl and jq.
# The token comes from a file that konexus-tokend keeps fresh: this program knows nothing of OAuth.
#
#   GAUGE=https://gauges.example.org/river.json flood-watch.sh
set -u
token=${TOKEN_FILE:-/run/konexus-tokend/konexus.token}
api=${API:-https://admin.alertsense.com}
unsent=

# send ALERT: prints the HTTP status, 000 if there was no answer. The file is read anew for each call: that keeps the token fresh.
# The header goes to curl on a pipe: in its arguments, every user of the host could read the token.
send() {
  # No file: there is no valid token just now.
  [ -r "$token" ] || { echo 000; return; }
  printf 'Authorization: Bearer %s' "$(cat "$token")" |
    curl --silent --max-time 10 --header @- --json "$1" --output /dev/null --write-out '%{http_code}\n' "$api/api/v2/alerts"
}

while :; do
  reading=$(curl --silent --fail --max-time 10 "$GAUGE") || echo 'flood-watch: no reading' >&2
  alert=$(printf %s "$reading" | jq --compact-output --argjson limit "${LIMIT:-3.5}" \
    'select(.level > $limit) | {title: "Flood warning", level, reading: .id}')
  # An alert is kept, one a line, until the API has taken it.
  [ -z "$alert" ] || unsent="$unsent$alert
"
  while [ -n "$unsent" ]; do
    alert=${unsent%%"
"*}
    status=$(send "$alert")
    # The token may have been replaced between reading it and using it.
    [ "$status" != 401 ] || status=$(send "$alert")
    case $status in
      2*) echo "flood-watch: alert sent: $alert"; unsent=${unsent#*"
"} ;;
      *) echo "flood-watch: alert not sent ($status), will be tried again" >&2; break ;;
    esac
  done
  sleep "${INTERVAL:-30}"
done
