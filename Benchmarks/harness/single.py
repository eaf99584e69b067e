"""One token: how soon, at what cost, in how much memory, with how many wake-ups."""
import concurrent.futures
import os
import signal
import socket
import threading
import time

from . import contenders as programs
from . import readings, stage
from .report import Reading

NAME = "konexus.token"
# How long wake-ups are counted, in seconds.
REST = 5
# Seconds after which memory is measured. konexus-tokend looks at files and clocks every 15 s, and that needs code too.
SETTLED = {programs.NAME: 17}
SETTLED_OTHERS = 10
# Whose memory is also measured after a refresh.
REFRESHED = (programs.NAME, programs.GO, programs.FLOOR)


def first_token(place, contenders, rounds):
    """Seconds from exec to a token in the file, by contender. They take turns, in another order in each round."""
    times = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for contender in contenders[turn:] + contenders[:turn]:
            directory = place.directory("first")
            watch = readings.Directory(directory)
            begin = time.monotonic()
            process = contender.start(place, directory, refresh=3600)
            if watch.wait_for(NAME, 20):
                times[contender.name].append(time.monotonic() - begin)
            place.stop(process)
            watch.close()
    return {name: Reading(values) if values else None for name, values in times.items()}


class Refreshing(threading.Thread):
    """A contender that refreshes its token every `PERIOD`, and the processor time of each refresh.

    A reading includes the work after the refresh, such as the end of a thread. It is taken where nothing happens."""

    PERIOD = 2.5
    # The first two bring the work of the start along.
    SKIPPED = 2

    def __init__(self, place, contender, count):
        super().__init__(daemon=True)
        self.place, self.contender, self.count = place, contender, count
        self.values = []

    def run(self):
        if self.contender.command[0].endswith("curl-timer"):
            return self._run_jobs()
        directory = self.place.directory("refreshing-" + "".join(filter(str.isalnum, self.contender.name)))
        watch = readings.Directory(directory)
        process = self.contender.start(self.place, directory, refresh=self.PERIOD)
        before = 0
        for number in range(self.count + self.SKIPPED):
            if not watch.wait_for(NAME, 20):
                break
            time.sleep(self.PERIOD * 0.7)
            now = readings.cpu_seconds(process.pid)
            if number >= self.SKIPPED:
                self.values.append(now - before)
            before = now
            if self.contender.command[0] == stage.DAEMON:
                time.sleep(self.PERIOD * 0.3)
                process.send_signal(signal.SIGUSR1)
        self.place.stop(process)
        watch.close()

    def _run_jobs(self):
        """The timer's job, all of its processes together."""
        script = os.path.join(os.path.dirname(self.contender.command[0]), "curl-jq")
        directory = self.place.directory("curl")
        for _ in range(self.count):
            process = self.place.start([script], self.contender.environment(self.place, directory))
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
            self.place.processes.remove(process)
            if status == 0:
                self.values.append(usage.ru_utime + usage.ru_stime)
            time.sleep(self.PERIOD)


def refresh_cpu(place, contenders, count):
    """Processor seconds of a refresh, by contender. They take turns, as each begins a little after the other."""
    threads = [Refreshing(place, contender, count) for contender in contenders]
    for thread in threads:
        thread.start()
        time.sleep(Refreshing.PERIOD / len(threads))
    for thread in threads:
        thread.join()
    return {thread.contender.name: Reading(thread.values) if thread.values else None for thread in threads}


def idle(place, contenders):
    """Two dictionaries by contender. Each contender is at rest after its start:
    - private dirty memory and PSS in KiB, threads, and wake-ups within REST seconds
    - private dirty memory, PSS and threads after a refresh, of those that `REFRESHED` names

    Memory is measured one after the other, as PSS depends on the programs that run. Wake-ups are counted together.
    The first of `contenders` starts last. konexus-tokend reads the key set a quarter of a minute later, or more. It is
    at rest until then."""
    results, refreshed, running = {}, {}, {}
    for contender in contenders:
        process, watch = _start_at_rest(place, contender, refresh=12)
        settled = SETTLED.get(contender.name, SETTLED_OTHERS)
        time.sleep(settled)
        results[contender.name] = footprint(process.pid)
        if contender.name in REFRESHED:
            if contender.command[0] == stage.DAEMON:
                process.send_signal(signal.SIGUSR1)
            if not watch.wait_for(NAME, 20):
                raise SystemExit(f"{contender.name}: no second token within 20 s")
            time.sleep(settled)
            refreshed[contender.name] = footprint(process.pid)
        place.stop(process)
        watch.close()
    for contender in reversed(contenders):
        running[contender.name], watch = _start_at_rest(place, contender, refresh=3600)
        watch.close()
    time.sleep(9)
    with concurrent.futures.ThreadPoolExecutor(len(running)) as pool:
        switches = pool.map(lambda process: readings.switches_during(process.pid, REST), running.values())
        for (name, process), count in zip(running.items(), switches):
            results[name] = (*results[name], count)
            place.stop(process)
    return results, refreshed


def _start_at_rest(place, contender, refresh):
    """Starts a contender, waits for its token, and returns it with the watch of its directory. What the start leaves to
    be done is done after 3 s, and its thread ends 5 s later."""
    directory = place.directory("idle-" + "".join(filter(str.isalnum, contender.name)))
    watch = readings.Directory(directory)
    process = contender.start(place, directory, refresh=refresh)
    if not watch.wait_for(NAME, 20):
        raise SystemExit(f"{contender.name}: no token within 20 s")
    return process, watch


def footprint(pid):
    """Private dirty memory, PSS and threads of a process and its descendants."""
    private = pss = threads = 0
    for process in readings.children(pid):
        one = readings.memory(process)
        private, pss, threads = private + one[0], pss + one[1], threads + readings.threads(process)
    return private, pss, threads


def watched(place, contender, beats):
    """Wake-ups for each WATCHDOG=1, with a service manager that wants one a second."""
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

        # The start, its request and what they leave to be done is over then. The key set is read again a quarter of a
        # minute after the start at the earliest.
        end = time.monotonic() + 9
        while time.monotonic() < end:
            beat()
        before = readings.switches(process.pid)
        for _ in range(beats):
            beat()
        after = readings.switches(process.pid)
    place.stop(process)
    os.unlink(address)
    return sum(count - before.get(thread, 0) for thread, count in after.items()) / beats
