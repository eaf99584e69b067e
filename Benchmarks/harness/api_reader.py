"""A user's program: reads the file and asks the API, ten times a second, over one connection that is kept."""
import http.client
import ssl
import threading
import time
from urllib.parse import urlsplit

PERIOD = 0.1
PATH = "/api/v2/settings/subscriptions"


class Reader:
    def __init__(self, place, name, file):
        self.name, self.file = name, file
        self.reads = self.accepted = self.refused = self.absent = 0
        # The longest time from the last accepted read to the next.
        self.longest = 0.0
        self._server = urlsplit(place.issuer)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self):
        self._ending.set()
        self._thread.join()

    def _run(self):
        connection, good = None, time.monotonic()
        while not self._ending.wait(PERIOD):
            token = self._read()
            if token is None:
                self.reads += 1
                self.absent += 1
                self.longest = max(self.longest, time.monotonic() - good)
                continue
            try:
                if connection is None:
                    connection = http.client.HTTPSConnection(
                        self._server.hostname, self._server.port, context=ssl.create_default_context(), timeout=10)
                headers = {"Authorization": "Bearer " + token, "Accept": "application/json"}
                connection.request("GET", PATH, headers=headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                # The connection, not the token: the next read makes another.
                connection = None
                continue
            except ValueError:
                # What is in the file cannot even be sent.
                self.reads, self.refused = self.reads + 1, self.refused + 1
                connection = None
                continue
            self.reads += 1
            now = time.monotonic()
            if answer.status == 200:
                self.accepted, good = self.accepted + 1, now
            else:
                self.refused += 1
                self.longest = max(self.longest, now - good)

    def _read(self):
        try:
            with open(self.file) as file:
                return file.read()
        except OSError:
            return None
