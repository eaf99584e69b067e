"""The application: reads the token ten times per second and judges each read."""

import base64
import grp
import http.client
import json
import multiprocessing
import os
import pwd
import re
import ssl
import time
import urllib.request

TOKEN = "/run/konexus-tokend/konexus.token"
PERIOD = 0.1
# An answer of the API takes milliseconds. A machine with other work may need more.
TIMEOUT = 5


def start(api, ca, control):
    """Starts the reader in a process of its own. Returns the process, and the end of a pipe with its reads."""
    ours, its = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_read, args=(its, api, ca, control), daemon=True)
    process.start()
    its.close()
    return process, ours


def expiry(token):
    """The time in `exp`."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"]


def _read(pipe, api, ca, control):
    # An ordinary application: a user without privileges, in the group that may read the token.
    user = pwd.getpwnam("nobody")
    os.setgroups([grp.getgrnam("konexus-token").gr_gid])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    judge = Judge(api, ca, control)
    due = time.monotonic()
    while True:
        due += PERIOD
        time.sleep(max(0, due - time.monotonic()))
        # A read that comes late is not made up for.
        due = max(due, time.monotonic() - PERIOD)
        pipe.send(_once(judge))


def _once(judge):
    """One read: its time, its verdict, and why."""
    try:
        with open(TOKEN) as file:
            token = file.read()
    except OSError as error:
        return time.monotonic(), "missing", os.strerror(error.errno)
    at = time.monotonic()
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token):
        return at, "torn", f"{len(token)} characters that are no token"
    return at, *judge(token)


class Judge:
    """Says what the API answers to a token at this moment."""

    def __init__(self, api, ca, control):
        self.host = api.removeprefix("https://")
        self.context = ssl.create_default_context(cafile=ca)
        self.control = control
        self.connection = None
        self.away_until = 0

    def __call__(self, token):
        if time.monotonic() >= self.away_until:
            # The server may have closed the first connection because it was idle or away.
            for _ in range(2):
                try:
                    return self._ask(token)
                except (OSError, http.client.HTTPException) as error:
                    reason = error
                    self.connection = None
            # An API that leaves connections without an answer must not hold up the reads.
            self.away_until = time.monotonic() + 1
            self.reason = repr(reason)
        return self._look_up(token)

    def _ask(self, token):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, context=self.context, timeout=0.5)
            self.connection.connect()
            self.connection.sock.settimeout(TIMEOUT)
        self.connection.request("GET", "/api/v2/settings/subscriptions", headers={"Authorization": f"Bearer {token}"})
        response = self.connection.getresponse()
        response.read()
        if response.status == 200:
            return "accepted", ""
        why = response.getheader("WWW-Authenticate", "")
        return "rejected", f"{response.status} {why}, {expiry(token) - time.time():.1f} s before its exp"

    def _look_up(self, token):
        """The verdict while the API is away: its control endpoint lists the tokens that it would accept."""
        with urllib.request.urlopen(self.control + "/tokens", timeout=TIMEOUT) as response:
            issued = json.load(response)
        left = expiry(token) - time.time()
        if token in issued and left > 0:
            return "accepted", "listed"
        return "rejected", f"{'expired' if token in issued else 'not issued'}, {left:.1f} s before its exp"
