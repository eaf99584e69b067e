"""One token: how soon, at what cost, in how much memory, with how many wake-ups."""
import os
import signal
import socket
import statistics
import time

from . import readings

NAME = "konexus.token"


def first_token(place, contenders, rounds):
    """Seconds from exec to a token in the file, for each contender the median; they take turns."""
    times = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            directory = place.directory("first")
            watch = readings.Directory(directory)
            begin = time.monotonic()
            process = contender.start(place, directory, refresh=3600)
            if watch.wait_for(NAME, 20):
                times[contender.name].append(time.monotonic() - begin)
            place.stop(process)
            watch.close()
    return {name: statistics.median(values) if values else None for name, values in times.items()}


def curl_cpu(place, contender, rounds):
    """Processor seconds of one run of the timer's job, all of its processes together: the median."""
    values = []
    script = os.path.join(os.path.dirname(contender.command[0]), "curl-jq")
    for _ in range(rounds):
        process = place.start([script], contender.environment(place, place.directory("curl")))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        place.processes.remove(process)
        if status == 0:
            values.append(usage.ru_utime + usage.ru_stime)
    return statistics.median(values) if values else None


class Lasting:
    """A contender that goes on running, with one token."""

    def __init__(self, place, contender, period):
        self.place, self.contender, self.period = place, contender, period
        self.directory = place.directory(contender.name.replace(" ", "-").replace("/", "-"))
        self.watch = readings.Directory(self.directory)
        self.process = contender.start(place, self.directory, refresh=period)
        if not self.watch.wait_for(NAME, 20):
            raise SystemExit(f"{contender.name}: no token within 20 s")

    def cpu_per_refresh(self, count):
        """The mean processor seconds of `count` refreshes, each with a new connection, including the work after it."""
        is_daemon = self.contender.name == "konexus-tokend"
        time.sleep(self.period * 0.9 if is_daemon else 0)
        if not is_daemon:
            self.watch.wait_for(NAME, 20)
            # Between two refreshes, where nothing is going on.
            time.sleep(self.period / 2)
        begin, seen = readings.cpu_seconds(self.process.pid), 0
        for _ in range(count):
            if is_daemon:
                self.process.send_signal(signal.SIGUSR1)
                seen += self.watch.wait_for(NAME, 20)
                time.sleep(self.period)
            else:
                seen += self.watch.wait_for(NAME, 20)
        if not is_daemon:
            time.sleep(self.period / 2)
        return (readings.cpu_seconds(self.process.pid) - begin) / seen if seen else None

    def end(self):
        self.place.stop(self.process)
        self.watch.close()


def idle(place, contender):
    """Private dirty memory and PSS in KiB, threads, and context switches within 10 s, of a contender at rest."""
    directory = place.directory("idle")
    watch = readings.Directory(directory)
    process = contender.start(place, directory, refresh=3600)
    if not watch.wait_for(NAME, 20):
        raise SystemExit(f"{contender.name}: no token within 20 s")
    # What the start leaves to be done is done after 3 s, and its thread ends 5 s later.
    time.sleep(15)
    result = footprint(process.pid)
    switches = readings.switches_during(process.pid, 10)
    place.stop(process)
    watch.close()
    return (*result, switches)


def footprint(pid):
    """Private dirty memory, PSS and threads of a process and its descendants."""
    private = pss = threads = 0
    for process in readings.children(pid):
        one = readings.memory(process)
        private, pss, threads = private + one[0], pss + one[1], threads + readings.threads(process)
    return private, pss, threads


def watched(place, contender, beats):
    """Context switches for each WATCHDOG=1, with a service manager that wants one a second."""
    directory = place.directory("watched")
    address = place.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(10)
        process = contender.start(
            place, directory, extra={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"})

        def beat():
            while b"WATCHDOG=1" not in manager.recv(4096):
                pass

        # The start, its request and what they leave to be done is over then.
        end = time.monotonic() + 15
        while time.monotonic() < end:
            beat()
        before = readings.switches(process.pid)
        for _ in range(beats):
            beat()
        after = readings.switches(process.pid)
    place.stop(process)
    os.unlink(address)
    return sum(count - before.get(thread, 0) for thread, count in after.items()) / beats
