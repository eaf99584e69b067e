#!/usr/bin/env python3
"""flood_watch.py reads a river gauge and sends one alert through the Konexus API when the water rises above LIMIT.

    GAUGE=https://gauges.example.org/river.json PLACE="Mill Creek" GROUP_IDS=1003 flood_watch.py [--dry-run]

It needs Python 3.9 and nothing else. README.md beside this file explains the settings, the rules and the messages.
It runs until a signal. With --dry-run, or a wrong setting, it ends with an exit code:

  0   the dry run succeeded
  1   the dry run failed
  64  a setting is wrong

Its messages begin with one of these texts:

  alert sent            alert was accepted before
  alert not sent        older alert discarded
  no reading            no state of a previous run
  state not saved       wrong setting
  dry run succeeded     dry run failed
"""
import contextlib
import hashlib
import json
import logging
import math
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

logging.basicConfig(format="flood-watch: %(message)s")
log = logging.warning
setting = os.environ.get
try:
    GAUGE, PLACE = setting("GAUGE", ""), setting("PLACE", "the river")
    GROUP_IDS = [int(group) for group in setting("GROUP_IDS", "").split(",") if group]
    LIMIT, RESET_LIMIT = float(setting("LIMIT", "3.5")), float(setting("RESET_LIMIT", "3.0"))
    MIN_INTERVAL, INTERVAL = float(setting("MIN_INTERVAL", "3600")), float(setting("INTERVAL", "30"))
    TIMEOUT, API = float(setting("TIMEOUT", "20")), setting("API", "https://admin.alertsense.com")
    if not (GAUGE and API.startswith("https://") and -math.inf < RESET_LIMIT <= LIMIT < math.inf):
        raise ValueError("GAUGE must be set, API must start with https://, RESET_LIMIT must not be above LIMIT")
    if not (1 <= MIN_INTERVAL < math.inf and 0 < INTERVAL < math.inf and 0 < TIMEOUT < math.inf):
        raise ValueError("MIN_INTERVAL must be 1 s or more, INTERVAL and TIMEOUT must be more than 0 s")
    if sys.argv[1:] not in ([], ["--dry-run"]):
        raise ValueError("the only option is --dry-run")
except ValueError as error:
    log(f"wrong setting: {error}")
    sys.exit(64)
TOKEN_FILE = Path(setting("TOKEN_FILE", "/run/konexus-tokend/konexus.token"))
STATE_FILE = Path(setting("STATE_DIRECTORY", "."), "flood-watch.json")


class Rejected(Exception):
    """The API rejected a call, so the call had no effect. After any other exception that is unknown."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an error, because it could take the token to another host."""

    def redirect_request(self, *_):
        return None


def time_is_up(*_):
    raise TimeoutError(f"no complete response within {TIMEOUT:g} s")


def fetch(url, body=None, headers=None):
    """Returns the HTTP status and the body. The alarm ends the exchange after TIMEOUT, however slowly bytes arrive."""
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT)
    try:
        with opener.open(urllib.request.Request(url, body, headers or {})) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def small(members):
    """Gives the names a small first letter, because the API writes both isSuccess and IsSuccess."""
    return {name[:1].lower() + name[1:]: value for name, value in members.items()}


def read_token():
    return TOKEN_FILE.read_text().partition("\n")[0]


def replace(token):
    """Reports a token that the API rejected to konexus-tokend. Waits up to 2 s for another one in the file."""
    end = time.monotonic() + 2
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as daemon:
        daemon.settimeout(2)
        daemon.connect(str(TOKEN_FILE.with_name("reject.sock")))
        daemon.sendall(f"rejected {TOKEN_FILE.stem} sha256 {hashlib.sha256(token.encode()).hexdigest()}\n".encode())
    while read_token() == token and time.monotonic() < end:
        time.sleep(0.05)


def call(path, body, member):
    """Returns the API's response, if it reports success and has the member."""
    for is_last in (False, True):  # After a 401 once more, with another token if there is one.
        token = read_token()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        code, content = fetch(f"{API}/api/v2/alerts{path}", json.dumps(body).encode(), headers)
        if code != 401 or is_last:
            break
        replace(token)
    try:
        response = small(json.loads(content))
        status = small(response.get("status") or {})
    except (ValueError, AttributeError, RecursionError):
        response, status = {}, {}
    reasons = (status.get("errorCode"), status.get("errorMessage"), response.get("error"))
    text = " ".join([f"/alerts{path}: HTTP {code}", *(str(reason) for reason in reasons if reason)])
    failed = status.get("isSuccess") is False or response.get("hasErrors") is True or response.get("isValid") is False
    if 400 <= code < 500 or code == 200 and failed:
        raise Rejected(text)
    if code != 200 or response.get(member) is None:
        raise OSError(f"{text} without a usable response")
    return response


def make_form(alert):
    """Returns the account's alert form with the text of the alert, after the API has validated it."""
    form = call("/defaults", {}, "item")["item"]
    form["message"]["basic"].update(subject=alert["subject"], message=alert["message"])
    form["channels"]["email"]["send"] = True
    if GROUP_IDS:
        form["recipients"]["groupIds"] = GROUP_IDS
    call("/preview", {"settings": form}, "item")
    return form


def is_accepted(subject):
    """Looks for the alert by its subject: the vendor documents no filter for correlationKey."""
    items = call("/find", {"subject": subject, "pageSize": 100}, "items")["items"]
    return any(((item.get("message") or {}).get("basic") or {}).get("subject") == subject for item in items)


def deliver(state):
    """Sends the unsent alert, unless an attempt whose response was lost has already done so."""
    alert, subject = state["unsent"], state["unsent"]["subject"]
    if alert["mayBeSent"] and is_accepted(subject):
        log(f"alert was accepted before: {subject}")
    else:
        form = make_form(alert)
        alert["mayBeSent"] = True
        attempt("state not saved", save, state)
        try:
            call("", {"settings": form, "jobId": "flood-watch", "correlationKey": subject[:100]}, "alertId")
        except Rejected:
            alert["mayBeSent"] = False
            raise
        log(f"alert sent: {subject}")
    state["unsent"] = None


def read_level():
    code, content = fetch(GAUGE)
    level = json.loads(content)["level"] if code == 200 else f"HTTP {code}"
    if type(level) not in (int, float) or not math.isfinite(level):
        raise ValueError(f"the gauge answers {str(level):.80}")
    return level


def make_alert(level):
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    message = f"The water level at {PLACE} is {level}. The limit is {LIMIT:g}. Time: {now}."
    return {"subject": f"Flood warning {now}: {PLACE}", "message": message, "mayBeSent": False}


def observe(state):
    """Makes an alert when the level rises above LIMIT, and the next one only after it fell below RESET_LIMIT."""
    level = read_level()
    if level < RESET_LIMIT:
        state["isHigh"] = False
    elif level > LIMIT and not state["isHigh"] and not 0 <= time.time() - state["lastAlert"] < MIN_INTERVAL:
        if state["unsent"]:
            log(f"older alert discarded: {state['unsent']['subject']}")
        state.update(isHigh=True, lastAlert=time.time(), unsent=make_alert(level))


def save(state):
    STATE_FILE.with_suffix(".new").write_text(json.dumps(state))
    STATE_FILE.with_suffix(".new").replace(STATE_FILE)


def dry_run():
    level = read_level()
    make_form(make_alert(level))
    log(f"dry run succeeded: the level is {level}, the API accepts the alert; no alert was sent")


def attempt(failure, action, *arguments):
    """Runs one step. An error of any kind is logged and must not end the watch."""
    try:
        action(*arguments)
        return True
    except Exception as error:
        log(f"{failure}: {type(error).__name__}: {error}")
        return False


signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGALRM, time_is_up)
opener = urllib.request.build_opener(NoRedirect)
if sys.argv[1:]:
    sys.exit(0 if attempt("dry run failed", dry_run) else 1)
state = {"isHigh": False, "lastAlert": 0, "unsent": None}
attempt("no state of a previous run", lambda: state.update(json.loads(STATE_FILE.read_text())))
while True:
    attempt("no reading", observe, state)
    if state["unsent"]:
        attempt(f"alert not sent, next attempt in {INTERVAL:g} s", deliver, state)
    attempt("state not saved", save, state)
    time.sleep(INTERVAL)
