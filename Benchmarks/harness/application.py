"""An application as config/examples/flood_watch.py is: after a 401 it reports the token, waits, and tries once more."""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

PERIOD = 0.1
PATIENCE = 2
PATH = "/api/v2/settings/subscriptions"


class Call:
    """One call of the API with all its attempts."""

    def __init__(self, begin):
        self.begin = begin
        # 200, 401, "no file", or None if the connection failed.
        self.answer = None
        self.is_repeated = False
        # The expiry of the token that the API accepted last, seconds since 1970.
        self.expiry = 0

    @property
    def is_accepted(self):
        return self.answer == 200


class Application:
    """Calls the API ten times a second with the token in `file`. `reports`: after a 401, to the daemon's socket."""

    def __init__(self, place, name, file, reports=True):
        self.name, self.file, self.reports = name, file, reports
        self.calls = []
        self._server = urlsplit(place.issuer)
        self._connection = None
        self._expiry = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self):
        self._ending.set()
        self._thread.join()

    def token(self):
        """The token in the file; None without one."""
        try:
            with open(self.file) as file:
                return file.read() or None
        except OSError:
            return None

    def _run(self):
        while not self._ending.wait(PERIOD):
            call = Call(time.monotonic())
            token = self.token()
            call.answer = self._ask(token)
            if call.answer == 401:
                call.is_repeated = True
                token = self._replace(token)
                call.answer = self._ask(token)
            if call.is_accepted:
                self._expiry = expiry(token)
            call.expiry = self._expiry
            # A connection that failed is the network's fault, or that of the API.
            if call.answer is not None:
                self.calls.append(call)

    def _ask(self, token):
        if token is None:
            return "no file"
        try:
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    self._server.hostname, self._server.port, context=ssl.create_default_context(), timeout=10)
            self._connection.request("GET", PATH, headers={"Authorization": "Bearer " + token})
            answer = self._connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self._connection = None
            return None

    def _replace(self, token):
        """Reports a token, and waits for another one in the file. Peers have no socket: there it waits only."""
        end = time.monotonic() + PATIENCE
        if self.reports:
            path = os.path.join(os.path.dirname(self.file), "reject.sock")
            digest = hashlib.sha256(token.encode()).hexdigest()
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as daemon:
                daemon.settimeout(PATIENCE)
                daemon.connect(path)
                daemon.sendall(f"rejected konexus sha256 {digest}\n".encode())
        while self.token() == token and time.monotonic() < end:
            time.sleep(0.05)
        return self.token()


def expiry(token):
    """The `exp` of a JWT."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
