#!/bin/sh
# flood-watch.sh reads a river gauge and sends one alert through the Konexus API when the water rises above LIMIT.
#
#   GAUGE=https://gauges.example.org/river.json PLACE="Mill Creek" GROUP_IDS=1003 flood-watch.sh [--dry-run]
#
# It needs curl 7.82 and jq 1.6. README.md beside this file explains the settings, the rules and the messages.
# It runs until a signal. With --dry-run, or a wrong setting, it ends with an exit code:
#
#   0   the dry run succeeded
#   1   the dry run failed
#   64  a setting is wrong
#
# Its messages begin with one of these texts:
#
#   alert sent            alert was accepted before
#   alert not sent        older alert discarded
#   no reading            no state of a previous run
#   state not saved       wrong setting
#   dry run succeeded     dry run failed
#
# Errors of curl and jq come before them.
set -u
export GAUGE="${GAUGE-}" PLACE="${PLACE-the river}" GROUP_IDS="${GROUP_IDS-}" LIMIT="${LIMIT-3.5}"
export RESET_LIMIT="${RESET_LIMIT-3.0}" MIN_INTERVAL="${MIN_INTERVAL-3600}" INTERVAL="${INTERVAL-30}"
export TIMEOUT="${TIMEOUT-20}" API="${API-https://admin.alertsense.com}"
TOKEN_FILE=${TOKEN_FILE-/run/konexus-tokend/konexus.token} state_file=${STATE_DIRECTORY-.}/flood-watch.json

log() { printf 'flood-watch: %s\n' "$*" >&2; }

functions='
  def is_number: type == "number" and (isnan or isinfinite | not);
  def setting($name): $ENV[$name] | tonumber | if is_number then . else error("\($name) is not a number") end;
  def groups: $ENV.GROUP_IDS | split(",") | map(tonumber);
  def level: .level | if is_number then . else error("the gauge answers \(tojson[:80])") end;
  def alert: (now | floor | strftime("%Y-%m-%d %H:%M:%S UTC")) as $now | {
    subject: "Flood warning \($now): \($ENV.PLACE)", mayBeSent: false,
    message: "The water level at \($ENV.PLACE) is \(.). The limit is \($ENV.LIMIT). Time: \($now)."};
  # The API writes both isSuccess and IsSuccess.
  def small: with_entries(.key |= (.[:1] | ascii_downcase) + .[1:]);'

# query JSON FILTER [OPTION...]: applies a jq filter to one JSON value.
query() {
  json=$1 filter=$2; shift 2
  printf %s "$json" | jq --raw-input --slurp --compact-output --raw-output "$@" \
    "$functions (try fromjson catch error(\"not JSON: \(.[:80])\")) | $filter"
}

# fetch URL [OPTION...]: puts the body into $reply and the HTTP status into $code. It does not follow redirects.
fetch() {
  reply=$(curl --silent --show-error --max-time "$TIMEOUT" --write-out '\n%{http_code}' "$@") || return
  code=${reply##*"
"} reply=${reply%"
"*}
}

# replace_token: reports $token, which the API rejected, to konexus-tokend. Waits up to 2 s for another one in the file.
replace_token() {
  printf %s "$token" | konexus-tokend refresh "$(basename "$TOKEN_FILE" .token)" --rejected - --wait 2s \
    --directory "$(dirname "$TOKEN_FILE")" >/dev/null
}

# call PATH BODY MEMBER: prints the response, if it reports success and has the member. Status 1 means that the API
# rejected the call, so the call had no effect. After any other status that is unknown.
call() {
  for attempt in 1 2; do
    token=$(head -n 1 "$TOKEN_FILE")
    # The token goes through a descriptor, because every user of the host can read the arguments of curl.
    fetch "$API/api/v2/alerts$1" --proto =https --header @/dev/fd/3 --json @/dev/fd/4 3<<HEADER 4<<BODY || return 2
Authorization: Bearer $token
HEADER
$2
BODY
    # After a 401 once more, with another token if there is one.
    case $code$attempt in 4011) replace_token ;; *) break ;; esac
  done
  [ "$code" = 200 ] || log "/alerts$1: HTTP $code: $(printf %s "$reply" | tr -d '[:cntrl:]' | cut -c -300)"
  case $code in 200) ;; 4??) return 1 ;; *) return 2 ;; esac
  query "$reply" 'small | (.status // {} | small) as $status
    | if $status.isSuccess == false or .hasErrors == true or .isValid == false then
        "/alerts\($path): \($status.errorCode): \($status.errorMessage)\n" | halt_error(1)
      elif .[$member] != null then . else error("/alerts\($path): no usable response") end' \
    --arg path "$1" --arg member "$3"
}

# make_form ALERT: prints the account's alert form with the text of ALERT, after the API has validated it.
make_form() {
  form=$(call /defaults '{}' item) || return
  form=$(query "$form" '.item | .message.basic += ($alert | {subject, message}) | .channels.email.send = true
    | if groups == [] then . else .recipients.groupIds = groups end | {settings: .}' --argjson alert "$1") || return
  call /preview "$form" item >/dev/null && printf %s "$form"
}

# deliver: sends the unsent alert, unless an attempt whose response was lost has already done so.
deliver() {
  subject=$(query "$state" .unsent.subject) || return
  if [ "$(query "$state" .unsent.mayBeSent)" = true ]; then
    # The vendor documents no filter for correlationKey, so the program looks for the subject, which is unique.
    found=$(call /find "$(query "$state" '.unsent | {subject, pageSize: 100}')" items) || return
    found=$(query "$found" 'any(.items[]; .message.basic.subject == $subject)' --arg subject "$subject") || return
    [ "$found" = false ] || { change '.unsent = null'; log "alert was accepted before: $subject"; return; }
  fi
  form=$(make_form "$(query "$state" .unsent)") || return
  request=$(query "$form" '. + {jobId: "flood-watch", correlationKey: $key[:100]}' --arg key "$subject") || return
  change '.unsent.mayBeSent = true' || return
  call '' "$request" alertId >/dev/null
  case $? in
    0) change '.unsent = null'; log "alert sent: $subject" ;;
    1) change '.unsent.mayBeSent = false'; return 1 ;;
    *) return 2 ;;
  esac
}

# change FILTER [OPTION...]: changes the state and saves it.
change() {
  new=$(query "$state" "$@") || return
  [ "$new" != "$state" ] || return 0
  state=$new
  { printf %s "$state" >"$state_file.new" && mv "$state_file.new" "$state_file"; } || log 'state not saved'
}

# read_level: prints the level.
read_level() {
  fetch "$GAUGE" || return
  [ "$code" = 200 ] || { log "the gauge answers HTTP $code"; return 1; }
  query "$reply" level
}

# observe: makes an alert when the level rises above LIMIT, and the next one only after it fell below RESET_LIMIT.
observe() {
  level=$(read_level) || return
  older=$(query "$state" '.unsent.subject // ""')
  change 'if $level < setting("RESET_LIMIT") then .isHigh = false
    elif $level > setting("LIMIT") and (.isHigh | not)
      and (now - .lastAlert | . < 0 or . >= setting("MIN_INTERVAL")) then
      {isHigh: true, lastAlert: now, unsent: ($level | alert)}
    else . end' --argjson level "$level" || return
  [ -z "$older" ] || [ "$older" = "$(query "$state" '.unsent.subject // ""')" ] || log "older alert discarded: $older"
}

is_right=$(query null '$ENV.GAUGE != "" and ($ENV.API | startswith("https://")) and (groups | all(is_number))
  and setting("RESET_LIMIT") <= setting("LIMIT") and setting("MIN_INTERVAL") >= 1 and setting("INTERVAL") > 0
  and setting("TIMEOUT") > 0')
case $#${1-} in 0 | 1--dry-run) ;; *) is_right=false ;; esac
[ "$is_right" = true ] || {
  log 'wrong setting: GAUGE must be set, API must start with https://, RESET_LIMIT must not be above LIMIT,' \
    'MIN_INTERVAL must be 1 s or more, INTERVAL and TIMEOUT must be more than 0 s,' \
    'GROUP_IDS must be numbers with commas between them, the only option is --dry-run'
  exit 64
}
if [ $# -gt 0 ]; then
  if level=$(read_level) && make_form "$(query "$level" alert)" >/dev/null; then
    log "dry run succeeded: the level is $level, the API accepts the alert; no alert was sent"
    exit 0
  fi
  log 'dry run failed'
  exit 1
fi
new='{"isHigh":false,"lastAlert":0,"unsent":null}'
state=$(query "$(cat "$state_file")" '$new + .' --argjson new "$new") || {
  log 'no state of a previous run'
  state=$new
}
while :; do
  observe || log 'no reading'
  if [ "$(query "$state" .unsent)" != null ]; then deliver || log "alert not sent, next attempt in $INTERVAL s"; fi
  sleep "$INTERVAL"
done
