"""A user's program: calls the API ten times a second, with the token in the file or through the proxy."""
import threading
import time

from .api import API

PERIOD = 0.1


class Reader:
    def __init__(self, place, contender, file):
        self.name = contender.name
        self.reads = self.accepted = self.refused = self.absent = 0
        # The longest time from the last accepted read to the next.
        self.longest = 0.0
        # When each state began: accepted, refused or absent.
        self.states = []
        self._api = API(place, contender, file)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self):
        self._ending.set()
        self._thread.join()

    def _run(self):
        good = time.monotonic()
        while not self._ending.wait(PERIOD):
            begin = time.monotonic()
            answer = self._api.ask(self._api.token())
            # The connection, not the token: the next read makes another.
            if answer is None:
                continue
            self.reads += 1
            now = time.monotonic()
            if answer == 200:
                self.accepted, good, state = self.accepted + 1, now, "accepted"
            elif answer == "no file":
                self.absent, state = self.absent + 1, "absent"
            else:
                self.refused, state = self.refused + 1, "refused"
            self.longest = max(self.longest, now - good)
            if not self.states or self.states[-1][1] != state:
                self.states.append((begin, state))
