#!/usr/bin/env python3
"""Polls a river gauge and sends an alert through the Konexus API when the water is too high.

The token comes from a file that konexus-tokend keeps fresh: this program knows nothing of OAuth. Needs python3-requests.

    GAUGE=https://gauges.example.org/river.json flood_watch.py
"""

import os
import sys
import time

import requests
import requests.auth

TOKEN_FILE = os.environ.get("TOKEN_FILE", "/run/konexus-tokend/konexus.token")
API = os.environ.get("API", "https://admin.alertsense.com")
GAUGE = os.environ["GAUGE"]
LIMIT = float(os.environ.get("LIMIT", "3.5"))
INTERVAL = float(os.environ.get("INTERVAL", "30"))


class TokenFile(requests.auth.AuthBase):
    """Puts the token from a file into each request: read again when the file was replaced, and once more on a 401."""

    def __init__(self, path):
        self.path = path
        self._seen = None
        self._token = None

    def token(self):
        # The file is replaced as a whole by a rename, so it is never half a token. If there is no file, there is no valid
        # token just now: FileNotFoundError tells the caller to try again later.
        status = os.stat(self.path)
        seen = (status.st_dev, status.st_ino, status.st_mtime_ns)
        if seen != self._seen:
            with open(self.path, encoding="ascii") as file:
                self._token = file.read()
            self._seen = seen
        return self._token

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token()}"
        request.register_hook("response", self._once_more)
        return request

    def _once_more(self, response, **options):
        if response.status_code != 401:
            return response
        header = f"Bearer {self.token()}"
        if header == response.request.headers.get("Authorization"):
            return response  # there is no newer one
        response.content  # reads it to its end, so that the connection can be used again
        response.close()
        request = response.request.copy()
        request.headers["Authorization"] = header
        again = response.connection.send(request, **options)
        again.history.append(response)
        again.request = request
        return again


def main():
    api = requests.Session()
    api.auth = TokenFile(TOKEN_FILE)
    unsent = []
    while True:
        try:
            reading = requests.get(GAUGE, timeout=10).json()
            if reading["level"] > LIMIT:
                unsent.append({"title": "Flood warning", "level": reading["level"], "reading": reading.get("id")})
        except (requests.RequestException, ValueError, KeyError) as error:
            print(f"flood_watch: no reading: {error}", file=sys.stderr)
        # An alert is kept until the API has taken it.
        while unsent:
            try:
                api.post(f"{API}/api/v2/alerts", json=unsent[0], timeout=10).raise_for_status()
                print(f"flood_watch: alert sent: {unsent.pop(0)}", flush=True)
            except (requests.RequestException, OSError) as error:
                print(f"flood_watch: alert not sent, will be tried again: {error}", file=sys.stderr)
                break
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
