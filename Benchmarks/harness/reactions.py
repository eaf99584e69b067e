"""From a token that is not accepted any more to a new one in the file: the daemon's own time, without the interval.

The interval at which the daemon reads the key set, and asks the API, is configured. So the time begins when the daemon
learns it. That is the reading of the key set that lacks the key, the report, or the 401 of the API."""
import hashlib
import os
import select
import signal
import socket
import time

from . import contenders, network, readings
from .api import PATH
from .report import Reading
from .single import NAME

# The shortest recheck_interval, which is a setting: by default it is 900 s.
INTERVAL = 60
SETTINGS = 'recheck_interval = "1m"\n'
WITHDRAWN, REPORT, REJECTED = (
    "withdrawn key: from the key set that lacks it", "report: from the report", "API's rejection: from its 401")
REFRESH, ALTERNATIVE = "a refresh, from SIGUSR1", "curl + jq, from exec"


class Measures:
    """All reactions of so many daemons, two workers at the same time: a minute and a half."""

    def __init__(self, peers, count=8):
        timer = next((peer for peer in peers if peer.name == "curl + jq"), None)
        self._workers = [network.Worker(contenders.Daemon(), job, count, timer, key_bits=4096)
                         for job in (_authorization_server, _api)]

    def results(self):
        """The readings by name, in seconds; then how long each reaction waited for the interval."""
        found, waits = {}, {}
        for worker in self._workers:
            some, waited = worker.result()
            found.update(some)
            waits.update(waited)
        return found, waits


class _Group:
    """Several daemons with a token each, at rest."""

    def __init__(self, place, daemon, count, settings):
        self.place = place
        daemon.settings = settings
        self.directories = [place.directory(f"reaction-{number}") for number in range(count)]
        self.watches = [readings.Directory(directory) for directory in self.directories]
        self.processes = []
        for directory in self.directories:
            self.processes.append(daemon.start(place, directory))
            # They read the key set a minute after their start, and must not disturb each other then.
            time.sleep(0.4)
        for watch in self.watches:
            if not watch.wait_for(NAME, 30):
                raise SystemExit("no token within 30 s")
        # The thread of the first request has ended, as half an hour later.
        time.sleep(9)

    def new_token(self, number, seconds=20):
        """When the next token of one daemon was there."""
        if not self.watches[number].wait_for(NAME, seconds):
            raise SystemExit(f"no new token within {seconds} s")
        return time.monotonic()

    def new_tokens(self, seconds):
        """When each daemon's next token was there, in order of time."""
        waiting = {watch.descriptor: watch for watch in self.watches}
        times, end = [], time.monotonic() + seconds
        while waiting:
            ready = select.select(list(waiting), [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                raise SystemExit(f"{len(waiting)} of {len(self.watches)} daemons have no new token after {seconds} s")
            for descriptor in ready:
                if NAME in waiting[descriptor].wait(0):
                    times.append(time.monotonic())
                    del waiting[descriptor]
        return times

    def reactions(self, begin, learned, seconds):
        """Seconds from what each daemon learned to its new token, and from `begin` to what it learned.

        `learned`: returns the times at which the server answered. Each daemon gets one such answer, and a new token
        some milliseconds later. So the first answer belongs to the first token."""
        ends = self.new_tokens(seconds)
        starts = [moment for moment in learned() if moment >= begin][:len(ends)]
        values = [end - start for start, end in zip(starts, ends)]
        if len(starts) < len(ends) or min(values) < 0:
            raise SystemExit(f"{len(starts)} answers for {len(ends)} new tokens")
        return Reading(values), Reading([start - begin for start in starts])

    def end(self):
        for process, watch in zip(self.processes, self.watches):
            self.place.stop(process)
            watch.close()


def _alternative(place, timer):
    """Seconds from exec to the new token in the file, of the script that gets one: curl and jq."""
    script = os.path.join(os.path.dirname(timer.command[0]), "curl-jq")
    directory = place.directory("alternative")
    watch = readings.Directory(directory)
    begin = time.monotonic()
    process = place.start([script], timer.environment(place, directory))
    if not watch.wait_for(NAME, 20):
        raise SystemExit("curl + jq: no token within 20 s")
    taken = time.monotonic() - begin
    process.wait()
    place.processes.remove(process)
    watch.close()
    return taken


def _authorization_server(place, daemon, count, timer):
    """Refreshes, reports, curl and jq in turn; then the key is withdrawn."""
    # Each is at rest for what happens to it.
    group = _Group(place, daemon, 2 * count, SETTINGS)
    refreshes, reports, alternatives = [], [], []
    for reported in range(0, 2 * count, 2):
        begin = time.monotonic()
        _report(group.directories[reported])
        reports.append(group.new_token(reported) - begin)
        if timer:
            alternatives.append(_alternative(place, timer))
        begin = time.monotonic()
        group.processes[reported + 1].send_signal(signal.SIGUSR1)
        refreshes.append(group.new_token(reported + 1) - begin)
    begin = time.monotonic()
    place.control("POST", "/rotate-keys?drop=true")
    withdrawn, waited = group.reactions(
        begin, lambda: [request["time"] for request in place.requests("jwks")], INTERVAL + 30)
    group.end()
    found = {WITHDRAWN: withdrawn, REPORT: Reading(reports), REFRESH: Reading(refreshes)}
    if timer:
        found[ALTERNATIVE] = Reading(alternatives)
    return found, {"withdrawn key": waited}


def _report(directory):
    """Reports the token in a directory, as an application does."""
    with open(os.path.join(directory, NAME)) as file:
        digest = hashlib.sha256(file.read().encode()).hexdigest()
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.connect(os.path.join(directory, "reject.sock"))
        daemon.sendall(f"rejected konexus sha256 {digest}\n".encode())


def _api(place, daemon, count, _):
    """The API rejects the tokens of daemons with `api_url`. The new token is tried at the API before it is written."""
    group = _Group(place, daemon, count, SETTINGS + f'api_url = "{place.issuer}{PATH}"\n')
    begin = time.monotonic()
    for directory in group.directories:
        with open(os.path.join(directory, NAME)) as file:
            place.control("POST", "/revoke?at=api", text=file.read())
    rejected, waited = group.reactions(
        begin, lambda: [request["time"] for request in place.requests("api") if request["status"] == 401],
        INTERVAL + 30)
    group.end()
    return {REJECTED: rejected}, {"API's rejection": waited}
