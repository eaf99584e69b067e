# What the tests here have in common. A test is a script that runs as root under a systemd of its own, on a machine
# that is thrown away afterwards.
# shellcheck shell=bash
source "$(dirname "${BASH_SOURCE[0]}")/../lib.bash"

: "${PACKAGE:?run this by Tests/Systemd/run}" "${KONEXUS_SANDBOX:?}" "${KONEXUS_SOURCE:?}"
readonly SERVICE=konexus-tokend.service
readonly RUNTIME=/run/konexus-tokend
readonly TOKEN=$RUNTIME/konexus.token
readonly CONTROL=http://127.0.0.1:8444
readonly API=https://localhost:8443
readonly CA=/etc/konexus-tokend/ca.pem

diagnose() {
  echo "--- systemctl status"
  systemctl status --no-pager --lines=0 $SERVICE || true
  echo "--- journal"
  journalctl --no-pager --output=short-monotonic --boot | grep -v ' kernel: ' | tail -n 60 || true
}

# --- The other side: an authorization server and the API, in the sandbox.

# start_sandbox [OPTION...]: returns once it answers. Its CA is in $CA, its client secret in /root/secret.
start_sandbox() {
  mkdir -p "$(dirname $CA)"
  "$KONEXUS_SANDBOX" --port 8443 --control-port 8444 --ca-file $CA --secret-file /root/secret --key-bits 2048 "$@" \
    >/root/sandbox.log 2>&1 &
  eventually 60 "the sandbox answers" curl --silent --fail --cacert $CA $API/.well-known/openid-configuration
}

# control METHOD PATH [BODY]
control() {
  curl --silent --show-error --fail --request "$1" ${3:+--data "$3"} "$CONTROL$2"
}

# count MEMBER: a member of the sandbox's counts.
count() {
  control GET /counts | jq -r ".$1 // 0"
}

# api: calls the API as a program would, with the token that is in the file at this moment.
api() {
  printf 'Authorization: Bearer %s' "$(cat $TOKEN)" |
    curl --silent --show-error --fail --max-time 10 --cacert $CA --header @- --output /dev/null \
      $API/api/v2/settings/subscriptions
}

# --- This side

install_package() {
  DEBIAN_FRONTEND=noninteractive dpkg --install "$PACKAGE"
}

# next_package: builds the next version of the package, with another sample and another unit, from a copy of the
# sources. Sets NEXT, its file, and version.
next_package() {
  local next=/root/next
  mkdir $next
  cp -r "$KONEXUS_SOURCE"/{LICENSE,Makefile,config,systemd} $next/
  version=$(dpkg-deb --field "$PACKAGE" Version)+next
  sed -i '1i # This line is new in the sample.' $next/config/config.toml
  sed -i -e 's/^Description=.*/Description=Konexus token daemon, next version/' \
    -e 's/^\[Service\]$/&\nEnvironment=UNIT_VERSION=next/' $next/systemd/konexus-tokend.service
  dpkg-deb --extract "$PACKAGE" /root/package
  VERSION=$version DPKG_DEB_COMPRESSOR_LEVEL=0 \
    $next/systemd/debian/build /root/package/usr/bin/konexus-tokend /root/packages >/root/build.log 2>&1 ||
    give_up "the next version is built" "$(cat /root/build.log)"
  NEXT=$(ls /root/packages/*.deb)
}

# write_config [LINE...]: a token named konexus, with these lines added to its table.
write_config() {
  install -d /etc/konexus-tokend
  {
    printf '[daemon]\nlog_level = "debug"\n[token.konexus]\nissuer = "%s"\nclient_id = "ext-1741-sample-client"\n' $API
    printf 'client_secret = "%s"\nca_file = "%s"\n' "$(cat /root/secret)" $CA
    if [[ $# -gt 0 ]]; then printf '%s\n' "$@"; fi
  } | install -m 0600 /dev/stdin /etc/konexus-tokend/config.toml
}

# drop_in NAME LINE...: a drop-in for the service's [Service] section.
drop_in() {
  local name=$1; shift
  install -d /etc/systemd/system/$SERVICE.d
  { echo '[Service]'; printf '%s\n' "$@"; } >/etc/systemd/system/$SERVICE.d/"$name".conf
  systemctl daemon-reload
}

# property NAME: of the service, by systemctl show.
property() {
  systemctl show --property="$1" --value ${2:-$SERVICE}
}

# has PROPERTY PATTERN
has() {
  [[ $(property "$1") =~ $2 ]]
}

# journal [OPTION...]: the daemon's messages.
journal() {
  journalctl --no-pager --output=cat --unit=$SERVICE "$@"
}

# journal_has PATTERN
journal_has() {
  # Not by a pipe: grep ends at the first match, and the journal would fail to write the rest.
  grep --quiet --extended-regexp -- "$1" < <(journal)
}

# has_state UNIT PATTERN
has_state() {
  [[ $(systemctl show --property=ActiveState --value "$1") =~ $2 ]]
}

# An installed, configured service, not yet started; the sandbox's options are the arguments.
configured_service() {
  start_sandbox "$@"
  install_package >/root/dpkg.log 2>&1
  systemctl stop $SERVICE 2>/dev/null || true
  systemctl reset-failed $SERVICE 2>/dev/null || true
  write_config
}

# start_reader: starts a program in the background that reads the file and calls the API, again and again.
# stop_reader stops it and prints the result.
start_reader() {
  rm -f /root/reader.stop
  (
    reads=0 refused=0
    until [[ -e /root/reader.stop ]]; do
      reads=$((reads + 1))
      api >>/root/reader.log 2>&1 || { refused=$((refused + 1)); ls -la $RUNTIME >>/root/reader.log 2>&1; }
      echo "$reads $refused" >/root/reader.count.new
      mv /root/reader.count.new /root/reader.count
    done
  ) &
  reader=$!
  eventually 10 "the reader reads" test -e /root/reader.count
}

# stop_reader: sets reads and refused.
stop_reader() {
  touch /root/reader.stop
  wait $reader
  read -r reads refused </root/reader.count
}
