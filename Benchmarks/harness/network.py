"""What a contender costs on a metered line: bytes and packets of IP, both directions, with the headers of IP and TCP.

Each contender has a network namespace of its own with its own sandbox, so that the counters of the loopback interface
count it alone. The interface has the MTU of Ethernet, and hands over no segments for the card to split. There is no
IPv6, as `localhost` would be tried twice."""
import ctypes
import fcntl
import multiprocessing
import re
import signal
import socket
import struct
import time

from . import contenders, readings, stage
from .report import Table, kibibytes

NAME = "konexus-tokend"
FILE = "konexus.token"
# What the control endpoint of the sandbox is asked for, and what it means.
OUTAGES = {"refused": "connections refused", "silent": "no answer to SYN", "status": "TLS, then status 503"}
# The kinds of which the server is down.
DOWN = ["refused", "silent"]
# The seconds between two attempts of a peer. The timer does not retry.
WAITS = {"curl + jq": 1800}
WAIT = 60
# A token of an hour, and its mean age when konexus-tokend refreshes it.
LIFETIME, AGE = 3600, 1708


class Cost:
    """Bytes, packets and attempts to connect."""

    def __init__(self, size, packets, attempts):
        self.size, self.packets, self.attempts = size, packets, attempts

    def __sub__(self, other):
        return Cost(self.size - other.size, self.packets - other.packets, self.attempts - other.attempts)


def _now():
    """The counters of this process's network namespace. Both directions pass the loopback interface as received."""
    with open("/proc/self/net/dev") as file:
        words = next(line for line in file if line.strip().startswith("lo:")).split()
    with open("/proc/self/net/snmp") as file:
        names, values = [line.split() for line in file if line.startswith("Tcp:")]
    size, packets = int(words[1]), int(words[2])
    return Cost(size, packets, int(values[names.index("ActiveOpens")]))


def _isolate():
    """Moves this process to a network namespace with a loopback interface as described above."""
    clone_mounts, clone_network = 0x20000, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_mounts | clone_network):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    with open("/proc/sys/net/ipv6/conf/all/disable_ipv6", "w") as file:
        file.write("1")
    set_flags, set_mtu, ethtool, set_tso, set_gso, up = 0x8914, 0x8922, 0x8946, 0x1f, 0x24, 0x41
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for option in (set_tso, set_gso):
            value = ctypes.create_string_buffer(struct.pack("II", option, 0))
            fcntl.ioctl(any_socket, ethtool, struct.pack("16sP16x", b"lo", ctypes.addressof(value)))
        fcntl.ioctl(any_socket, set_mtu, struct.pack("16si20x", b"lo", 1500))
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh22x", b"lo", up))


class Worker:
    """A process for one contender. `job`: what it does with a stage and the contender. `options`: of the stage."""

    def __init__(self, contender, job, *arguments, **options):
        context = multiprocessing.get_context("fork")
        self._result, there = context.Pipe(duplex=False)
        self._process = context.Process(target=self._run, args=(there, contender, job, arguments, options))
        self._process.start()
        there.close()

    @staticmethod
    def _run(result, contender, job, arguments, options):
        _isolate()
        place = stage.Stage(**{"key_bits": 2048, **options})
        try:
            result.send(job(place, contender, *arguments))
        finally:
            place.end()

    def result(self):
        result = self._result.recv()
        self._process.join()
        return result


class _Running:
    """A contender that was started, and the costs of what it does."""

    def __init__(self, place, contender, **options):
        self.place = place
        self.is_daemon = contender.command[0] == stage.DAEMON
        directory = place.directory("network")
        self.watch = readings.Directory(directory)
        self.process = contender.start(place, directory, **options)

    def wait(self):
        """Until the next token, and until its connection is closed."""
        if not self.watch.wait_for(FILE, 60):
            raise SystemExit("no token within a minute")
        time.sleep(2)

    def start_refresh(self):
        """Demands a new token of the daemon. The peers refresh by time."""
        if self.is_daemon:
            self.process.send_signal(signal.SIGUSR1)

    def refresh(self):
        self.start_refresh()
        self.wait()

    def end(self):
        self.place.stop(self.process)
        self.watch.close()


class _Outage:
    """A server that is away, in one of the ways of OUTAGES."""

    def __init__(self, place, kind):
        self.place, self.deaf = place, None
        if kind == "status":
            place.control("POST", "/faults", {"kind": "status", "status": 503, "at": ["token", "discovery", "jwks"]})
            return
        place.control("POST", "/down")
        if kind == "silent":
            # A socket that listens and drops each packet. The sandbox's own way needs packets of its own.
            drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
            self.deaf = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attach_filter = 26
            self.deaf.setsockopt(socket.SOL_SOCKET, attach_filter, struct.pack("HP", 1, ctypes.addressof(drop)))
            self.deaf.bind(("127.0.0.1", int(re.search(r":(\d+)", place.issuer[6:]).group(1))))
            self.deaf.listen()

    def end(self):
        if self.deaf:
            self.deaf.close()
        self.place.control("DELETE", "/faults")
        self.place.control("POST", "/up")


def _typical(place, contender):
    """The costs of a start, a refresh, a reading of the key set, and an attempt in each kind of outage."""
    costs, before = {}, _now()
    running = _Running(place, contender, refresh=4)
    running.wait()
    costs["start"] = _now() - before
    refreshes = []
    for _ in range(3):
        before = _now()
        running.refresh()
        refreshes.append(_now() - before)
    costs["refresh"] = min(refreshes, key=lambda cost: cost.size)
    running.end()
    if running.is_daemon:
        running = _Running(place, contenders.Daemon(settings='recheck_interval = "1m"\n'))
        running.wait()
        before, end = _now(), time.monotonic() + 75
        while _now().packets == before.packets and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(2)
        costs["keys"] = _now() - before
        running.end()
    # Of an attempt to connect without an answer, the SYN is repeated for so long.
    for kind, seconds in (("refused", 8), ("status", 8), ("silent", 30)):
        running = _Running(place, contender, refresh=4, retry=3600, timeout=30)
        running.wait()
        outage = _Outage(place, kind)
        before = _now()
        running.start_refresh()
        # The peers' refresh comes 4 s after the token.
        time.sleep(seconds + 3)
        costs[kind, True] = _now() - before
        running.end()
        before = _now()
        running = _Running(place, contender, refresh=3600, retry=3600, timeout=30)
        time.sleep(seconds)
        costs[kind, False] = _now() - before
        running.end()
        outage.end()
    return costs


def _outage(place, contender, kind, has_token, seconds):
    """The cost of so many seconds of an outage, and at its beginning a refresh is due."""
    refresh = 5
    if contender.name.startswith("curl"):
        # A timer has one run in this time.
        refresh = max(60, seconds - 30)
    running = None
    if has_token:
        running = _Running(place, contender, refresh=refresh, retry=WAIT, timeout=30)
        running.wait()
    outage = _Outage(place, kind)
    before = _now()
    if not running:
        running = _Running(place, contender, refresh=refresh, retry=WAIT, timeout=30)
    else:
        running.start_refresh()
    time.sleep(seconds)
    cost = _now() - before
    running.end()
    outage.end()
    return cost


class Measures:
    """The typical costs of konexus-tokend and its alternatives, all at the same time: three minutes."""

    def __init__(self, peers):
        self._workers = {contender.name: Worker(contender, _typical) for contender in [contenders.Daemon(), *peers]}

    def results(self):
        return ({name: worker.result() for name, worker in self._workers.items()},)


class Outages:
    """Whole outages of so many seconds, all at the same time: by contender, kind, and whether there is a token.

    A token expires soon after the end. So the outage begins when the refresh of a token of twice the length is due."""

    def __init__(self, peers, seconds):
        self._workers = {
            (contender.name, kind, has_token): Worker(
                contender, _outage, kind, has_token, seconds, lifetime=seconds + 30 if has_token else LIFETIME)
            for contender in [contenders.Daemon(), *peers] for kind in OUTAGES for has_token in (False, True)}

    def results(self):
        return {key: worker.result() for key, worker in self._workers.items()}


def _attempt(costs, kind, has_token):
    """The bytes and packets of one attempt."""
    cost = costs[kind, has_token]
    attempts = max(1, cost.attempts)
    return cost.size / attempts, cost.packets / attempts


def _attempts_an_hour(name, kind, has_token):
    """How often a contender connects, by the means of its waits. `make bench-network` counts instead."""
    # The daemon gives a connection 15 s, the others what REQUEST_TIMEOUT says.
    length = 0 if kind != "silent" else 15 if name == NAME else 30
    if name != NAME:
        return 3600 / (WAITS.get(name, WAIT) + length)
    # RetryBackoff, and KeySetSchedule.
    if not has_token:
        return 3600 / ((0.25 + 60) / 2 + length)
    attempts = connections = wait = 0
    remaining = LIFETIME - AGE
    while remaining > 0:
        attempts += 1
        # If the token endpoint accepts no connection, the discovery document may name another one. It is requested
        # too, but not more often than each 30 s.
        connections += 1 if kind == "status" or 1 < attempts and wait < 30 else 2
        longest = max(60, remaining * 0.75 - 90) if remaining > 120 else max(1, remaining / 2)
        ceiling = min([1, 10, 100, 1000][min(attempts - 1, 3)], longest)
        floor = ceiling * 0.75 if attempts > 1 and remaining > 120 else 0.25
        wait = length + (floor + ceiling) / 2
        remaining -= wait
    readings_of_keys = (LIFETIME - AGE) / (285 + length)
    return (connections + readings_of_keys) * 3600 / (LIFETIME - AGE)


def hour(costs, kind, has_token, name=NAME):
    """The bytes and packets of an hour of an outage: without a token, or with one whose refresh is due.

    A token of an hour lasts for half an hour then, so this is twice as much as until its expiry."""
    attempts = _attempts_an_hour(name, kind, has_token)
    return [value * attempts for value in _attempt(costs, kind, has_token)]


def tables(costs):
    """Tables of bytes and packets, by contender."""
    def cell(size, packets):
        return f"{kibibytes(size)}, {packets:.0f}"

    first = Table(["bytes, packets", "start to token", "refresh", "reading of the key set", "day of one-hour tokens"])
    attempt, *hours = [Table([f"{what}, {bytes_of}", *OUTAGES.values()]) for what, bytes_of in (
        ("without a token", "an attempt"), ("without a token", "an hour"), ("with a token", "an hour"))]
    for name, one in costs.items():
        refresh, keys = one["refresh"], one.get("keys")
        # Half of a life, less 5 % on the mean; the key set every quarter of an hour, less 5 % on the mean.
        times = 86_400 / (1708 if name == NAME else 1800)
        looks = 86_400 / 855 if keys else 0
        day = [refresh.size * times, refresh.packets * times]
        if keys:
            day = [day[0] + keys.size * looks, day[1] + keys.packets * looks]
        first.add(name, cell(one["start"].size, one["start"].packets), cell(refresh.size, refresh.packets),
                  cell(keys.size, keys.packets) if keys else "never", cell(*day))
        attempt.add(name, *(cell(*_attempt(one, kind, False)) for kind in OUTAGES))
        for table, has_token in zip(hours, (False, True)):
            table.add(name, *(cell(*hour(one, kind, has_token, name)) for kind in OUTAGES))
    return first, attempt, *hours


def add_bars(report, hours, has_token):
    """The bars on the bytes of an hour in which the server is down. `hours`: by kind."""
    for kind, size in hours.items():
        report.bar(f"an hour with{'' if has_token else 'out'} a token, {OUTAGES[kind]}", kibibytes(size), "<= 100 KiB",
                   size <= 100 * 1024)


def outage_tables(costs, seconds):
    """Tables of outages without a token, and with one: as counted, and for an hour."""
    def cell(cost):
        return f"{kibibytes(cost.size)}, {cost.packets}, {cost.attempts}"

    def hour_cell(cost):
        return f"{kibibytes(cost.size * 3600 / seconds)}, {cost.packets * 3600 / seconds:.0f}"

    for has_token in (False, True):
        what = f"with{'' if has_token else 'out'} a token"
        for length, values, form in ((f"{seconds / 60:g} min", "bytes, packets, connections", cell),
                                     ("an hour", "bytes, packets", hour_cell)):
            table = Table([f"{length} {what}: {values}", *OUTAGES.values()])
            for name in dict.fromkeys(name for name, _, _ in costs):
                table.add(name, *(form(costs[name, kind, has_token]) for kind in OUTAGES))
            yield table
