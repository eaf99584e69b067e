"""An application as config/examples/flood_watch.py is: after a 401 it reports the token, waits, and tries once more."""
import base64
import contextlib
import hashlib
import json
import os
import socket
import threading
import time

from .api import API

PERIOD = 0.1
PATIENCE = 2


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

    def __init__(self, place, contender, file, reports=True):
        self.file, self.reports = file, reports
        self.calls = []
        self._api = API(place, contender, file)
        self._waits_blindly = contender.proxy is not None
        self._expiry = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self):
        self._ending.set()
        self._thread.join()

    def token(self):
        """The token in the file; None without one. Of a proxy, the one that it added last."""
        return self._api.token()

    def _run(self):
        while not self._ending.wait(PERIOD):
            call = Call(time.monotonic())
            token = self.token()
            call.answer = self._api.ask(token)
            if call.answer == 401:
                call.is_repeated = True
                token = self._replace(token)
                call.answer = self._api.ask(token)
            if call.is_accepted:
                # A proxy shows the token afterwards.
                self._expiry = expiry(self.token() if self._waits_blindly else token)
            call.expiry = self._expiry
            # A connection that failed is the network's fault, or that of the API.
            if call.answer is not None:
                self.calls.append(call)

    def _replace(self, token):
        """Reports a token, and waits for another one in the file. Peers have no socket: there it waits only.

        Behind a proxy, an application sees no token and waits the whole time."""
        if self._waits_blindly:
            time.sleep(PATIENCE)
            return token
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
