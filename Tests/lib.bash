# What the shell tests have in common: checks, waiting, skipping. To be sourced.
#
# Each check is a line. The first check that fails ends the test, with the output of `diagnose`.
# Exit status: 0 passed, 77 skipped as in automake, anything else failed.
# shellcheck shell=bash
set -euo pipefail

checks=0

# ok WHAT: a check that has passed.
ok() {
  checks=$((checks + 1))
  echo "ok $1"
}

# check WHAT COMMAND...: COMMAND must succeed.
check() {
  local what=$1; shift
  local output
  if output=$("$@" 2>&1); then ok "$what"; else give_up "$what" "failed ($?): $*" "$output"; fi
}

# denied WHAT COMMAND...: COMMAND must fail.
denied() {
  local what=$1; shift
  local output
  if output=$("$@" 2>&1); then
    give_up "$what" "succeeded, but should have been denied: $*" "$output"
  else
    ok "$what"
  fi
}

# equal WHAT ACTUAL EXPECTED
equal() {
  if [[ $2 == "$3" ]]; then ok "$1"; else give_up "$1" "is:       $2" "expected: $3"; fi
}

# match WHAT ACTUAL PATTERN: PATTERN is an extended regular expression that must be found.
match() {
  if [[ $2 =~ $3 ]]; then ok "$1"; else give_up "$1" "is:            $2" "does not match $3"; fi
}

# no_match WHAT ACTUAL PATTERN
no_match() {
  if [[ $2 =~ $3 ]]; then give_up "$1" "is:     $2" "matches $3"; else ok "$1"; fi
}

# within SECONDS COMMAND...: repeats COMMAND until it succeeds; fails if it does not in time. COMMAND can set variables.
within() {
  local deadline=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > deadline)); then return 1; fi
    sleep 0.05
  done
}

# await SECONDS WHAT COMMAND...: COMMAND must succeed in time. SECONDS bounds a failing test only.
await() {
  within "$1" "${@:3}" || give_up "$2" "not within $1 s: ${*:3}"
}

# eventually SECONDS WHAT COMMAND...: as await, and a check.
eventually() {
  await "$@"
  ok "$2"
}

# give_up WHAT [LINE...]: ends the test; the lines say why.
give_up() {
  local line
  echo "not ok $1"
  for line in "${@:2}"; do echo "  $line"; done
  diagnose || true
  exit 1
}

# diagnose: prints what helps to find the fault. A test replaces it.
diagnose() { :; }

# skip WHY: ends the test as skipped, as this machine cannot run it.
skip() {
  echo "SKIPPED: $*"
  exit 77
}

# --- The programs

# build PRODUCT...: debug builds. Sets bin, their directory.
build() {
  local product output
  for product; do
    output=$(swift build --product "$product" 2>&1) || give_up "$product is built" "$output"
  done
  bin=$(swift build --show-bin-path)
}

# run_sandbox [OPTION...]: starts the sandbox of $bin on free ports, with its files in $home. Sets issuer and control,
# and adds the process to pids.
run_sandbox() {
  "$bin/konexus-sandbox" --key-bits 2048 --ca-file "$home/ca.pem" --secret-file "$home/secret" "$@" \
    >"$home/sandbox.log" 2>&1 &
  pids+=($!)
  await 60 "the sandbox answers" grep -q '^konexus-sandbox: issuer' "$home/sandbox.log"
  issuer=$(sed -n 's/^konexus-sandbox: issuer \(https:[^,]*\),.*/\1/p' "$home/sandbox.log")
  control=$(sed -n 's/^konexus-sandbox: .*control \(http:[^ ]*\).*/\1/p' "$home/sandbox.log")
}
