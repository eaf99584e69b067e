"""The API as an application sees it: with the token in a file, or through a proxy that adds one."""
import http.client
import ssl
import sys
import time
from urllib.parse import urlsplit

PATH = "/api/v2/settings/subscriptions"
# A proxy shows in this header of a response which credential it has added to the request.
INJECTED = "x-injected-authorization"


class API:
    """Calls over one connection that is kept."""

    def __init__(self, place, contender, file):
        self.file = file
        self._proxy = contender.proxy
        self._server = urlsplit(self._proxy or place.issuer)
        self._connection = None
        self._injected = ""

    def token(self):
        """The token in the file; None without one. Of a proxy, the one that it added last."""
        if self._proxy:
            return self._injected
        try:
            with open(self.file) as file:
                return file.read() or None
        except OSError:
            return None

    def ask(self, token):
        """The status of a call, "no file" without a token, or None if the connection failed.

        A proxy that accepts no connection is as good as no file: the application has no other way to the API."""
        if token is None:
            return "no file"
        is_new = self._connection is None
        try:
            return self._request({} if self._proxy else {"Authorization": "Bearer " + token})
        except (OSError, http.client.HTTPException):
            self._connection = None
            if not self._proxy:
                return None
            # A connection that was kept says nothing about the proxy that is there now.
            return "no file" if is_new else self.ask(token)
        except ValueError:
            # What is in the file cannot even be sent.
            self._connection = None
            return "no header"

    def _request(self, headers):
        if self._connection is None:
            kind, options = http.client.HTTPConnection, {}
            if self._server.scheme == "https":
                kind, options = http.client.HTTPSConnection, {"context": ssl.create_default_context()}
            self._connection = kind(self._server.hostname, self._server.port, timeout=10, **options)
        self._connection.request("GET", PATH, headers={"Accept": "application/json", **headers})
        answer = self._connection.getresponse()
        answer.read()
        if self._proxy:
            self._injected = answer.getheader(INJECTED, "").removeprefix("Bearer ")
        return answer.status


def wait_for_all(runners, seconds):
    """Waits until an application of each runner can call the API. Ends the program after so many seconds."""
    end = time.monotonic() + seconds
    waiting = {runner.contender.name: API(runner.place, runner.contender, runner.file) for runner in runners}
    while waiting := {name: api for name, api in waiting.items() if api.ask(api.token()) != 200}:
        if time.monotonic() > end:
            sys.exit(f"no token after {seconds} s: " + ", ".join(waiting))
        time.sleep(0.05)
