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
# The mean wait in seconds between two attempts in a row without a token, for tokens of an hour. That of the daemon is
# from RetryBackoff, and that of the others is their setting. The timer does not retry.
WAITS = {NAME: (0.25 + 60) / 2, "curl + jq": 1800}
WAIT = 60


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
    """A process for one contender. `job`: what it does with a stage and the contender."""

    def __init__(self, contender, job, *arguments):
        context = multiprocessing.get_context("fork")
        self._result, there = context.Pipe(duplex=False)
        self._process = context.Process(target=self._run, args=(there, contender, job, arguments))
        self._process.start()
        there.close()

    @staticmethod
    def _run(result, contender, job, arguments):
        _isolate()
        place = stage.Stage(key_bits=2048)
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

    def refresh(self):
        if self.is_daemon:
            self.process.send_signal(signal.SIGUSR1)
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
        outage = _Outage(place, kind)
        before = _now()
        running = _Running(place, contender, refresh=3600, retry=3600, timeout=30)
        time.sleep(seconds)
        costs[kind] = _now() - before
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
    elif running.is_daemon:
        running.process.send_signal(signal.SIGUSR1)
    time.sleep(seconds)
    cost = _now() - before
    running.end()
    outage.end()
    return cost


class Measures:
    """The typical costs of konexus-tokend and its alternatives, all at the same time: two minutes."""

    def __init__(self, peers):
        self._workers = {contender.name: Worker(contender, _typical) for contender in [contenders.Daemon(), *peers]}

    def results(self):
        return {name: worker.result() for name, worker in self._workers.items()}


class Outages:
    """Whole outages of so many seconds, all at the same time: by contender, kind, and whether there is a token."""

    def __init__(self, peers, seconds):
        self._workers = {
            (contender.name, kind, has_token): Worker(contender, _outage, kind, has_token, seconds)
            for contender in [contenders.Daemon(), *peers] for kind in OUTAGES for has_token in (False, True)}

    def results(self):
        return {key: worker.result() for key, worker in self._workers.items()}


def _attempt(costs, kind):
    """The bytes and packets of one attempt."""
    cost = costs[kind]
    attempts = max(1, cost.attempts)
    return cost.size / attempts, cost.packets / attempts


def _attempts_an_hour(name, kind):
    # The daemon gives a connection 15 s, the others what REQUEST_TIMEOUT says.
    length = 0 if kind != "silent" else 15 if name == NAME else 30
    return 3600 / (WAITS.get(name, WAIT) + length)


def hour_without_token(costs, kind, name=NAME):
    """The bytes of an hour of an outage without a token."""
    return _attempt(costs, kind)[0] * _attempts_an_hour(name, kind)


def tables(costs):
    """Tables of bytes and packets, by contender."""
    def cell(size, packets):
        return f"{kibibytes(size)}, {packets:.0f}"

    first = Table(["bytes, packets", "start to token", "refresh", "reading of the key set", "day of one-hour tokens"])
    second = Table(["without a token, an attempt", *OUTAGES.values()])
    third = Table(["without a token, an hour", *OUTAGES.values()])
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
        second.add(name, *(cell(*_attempt(one, kind)) for kind in OUTAGES))
        third.add(name, *(cell(*(value * _attempts_an_hour(name, kind) for value in _attempt(one, kind)))
                          for kind in OUTAGES))
    return first, second, third


def outage_tables(costs, seconds):
    """One table for outages without a token, and one with."""
    for has_token in (False, True):
        table = Table([f"{seconds / 60:g} min with{'' if has_token else 'out'} a token: bytes, packets, attempts",
                       *OUTAGES.values()])
        for name in dict.fromkeys(name for name, _, _ in costs):
            found = [costs[name, kind, has_token] for kind in OUTAGES]
            table.add(name, *(f"{kibibytes(cost.size)}, {cost.packets}, {cost.attempts}" for cost in found))
        yield table
