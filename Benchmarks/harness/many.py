"""Many tokens in one daemon."""
import os
import re
import signal
import time

from . import compiled, readings


class Crowd:
    """A daemon with so many tokens, from its cold start until all are fresh."""

    def __init__(self, place, daemon, tokens, max_requests=4, patience=300, extra=None):
        self.place, self.tokens = place, tokens
        self.directory = place.directory("many")
        self.watch = readings.Directory(self.directory)
        self.under_way = 0
        server = self._server_cpu()
        begin = time.monotonic()
        self.process = daemon.start(place, self.directory, tokens=tokens, max_requests=max_requests, extra=extra)
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
    """KiB of the heap in use, and private dirty KiB, each before and after so many rounds of refreshes; the refreshes.

    Ten rounds come first: the engine remembers eight tokens of each table. Private dirty memory also has the free
    blocks that share a page with one in use: it comes and goes by 3 MiB.
    """
    fifo = place.path("heap")
    os.mkfifo(fifo)
    crowd = Crowd(place, daemon, tokens, max_requests=8,
                  extra={"LD_PRELOAD": compiled.path("heap_probe.c"), "HEAP_PROBE": fifo})

    def look():
        crowd.settle()
        with open(fifo) as answer:
            return int(answer.read()) // 1024, crowd.private_kib()
    refreshes = 0
    for number in range(10 + rounds):
        if number == 10:
            before = look()
        time.sleep(1.1)
        if crowd.refresh() and number >= 10:
            refreshes += tokens
    after = look()
    crowd.end()
    return before, after, refreshes
