"""Many tokens in one daemon."""
import re
import signal
import time

from . import readings


# The daemon remembers the last 8 tokens of a table, as some servers return one again.
REMEMBERED = 9


class Crowd:
    """A daemon with so many tokens, from its cold start until all are fresh."""

    def __init__(self, place, daemon, tokens, max_requests=4, patience=300):
        self.place, self.tokens = place, tokens
        self.directory = place.directory("many")
        self.watch = readings.Directory(self.directory)
        self.under_way = 0
        server = self._server_cpu()
        begin = time.monotonic()
        self.process = daemon.start(place, self.directory, tokens=tokens, max_requests=max_requests)
        fresh = self.wait_for_all(patience)
        self.seconds = time.monotonic() - begin if fresh == tokens else None
        self.server_cpu = self._server_cpu() - server

    def wait_for_all(self, patience):
        """How many tokens were written within so many seconds; at most all."""
        names, end = set(), time.monotonic() + patience
        looked = 0
        while len(names) < self.tokens and time.monotonic() < end:
            names.update(name for name in self.watch.wait(0.1) if name.endswith(".token"))
            if time.monotonic() - looked > 0.2:
                looked = time.monotonic()
                self.under_way = max(self.under_way, self._connections())
        return len(names)

    def refresh(self, patience=120):
        """All tokens anew; whether all came."""
        self.process.send_signal(signal.SIGUSR1)
        return self.wait_for_all(patience) == self.tokens

    def settle(self):
        """Until the status is written and the thread for requests has ended."""
        time.sleep(8)

    def cpu(self):
        return readings.cpu_seconds(self.process.pid)

    def private_kib(self):
        return readings.memory(self.process.pid)[0]

    def _server_cpu(self):
        return sum(readings.cpu_seconds(sandbox.pid) for sandbox in self.place.sandboxes)

    def _connections(self):
        """The number of established connections to the sandbox, each of which carries one request.

        It counts distinct addresses, because the kernel returns a long list in parts: a connection can be in two."""
        port = int(re.search(r":(\d+)", self.place.issuer[6:]).group(1))
        with open("/proc/net/tcp") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        return len({row[1] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"})

    def end(self):
        self.place.stop(self.process)
        self.watch.close()


class Start:
    """Several cold starts with a number of tokens: the longest time, the most memory and the least processor time.

    It takes the least processor time, because a busy machine can only add to it."""

    def __init__(self, place, daemon, tokens, times):
        starts = [self._measure(place, daemon, tokens) for _ in range(times)]
        seconds, cpu, server_cpu, private_kib, under_way = zip(*starts)
        self.seconds = None if None in seconds else max(seconds)
        self.cpu, self.server_cpu = min(cpu), min(server_cpu)
        self.private_kib, self.under_way = max(private_kib), max(under_way)

    def _measure(self, place, daemon, tokens):
        crowd = Crowd(place, daemon, tokens)
        crowd.settle()
        result = crowd.seconds, crowd.cpu(), crowd.server_cpu, crowd.private_kib(), crowd.under_way
        crowd.end()
        return result


def growth(place, daemon, tokens, rounds):
    """Private dirty KiB after REMEMBERED rounds of refreshes, and after so many more."""
    crowd = Crowd(place, daemon, tokens, max_requests=8)
    refreshes = 0
    for _ in range(REMEMBERED):
        time.sleep(1.1)
        crowd.refresh()
    crowd.settle()
    before = crowd.private_kib()
    for _ in range(rounds):
        time.sleep(1.1)
        if crowd.refresh():
            refreshes += tokens
    crowd.settle()
    after = crowd.private_kib()
    crowd.end()
    return before, after, refreshes
