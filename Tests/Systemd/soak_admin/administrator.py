"""The administrator: one method for each kind of action. What an action draws comes from its own random numbers."""

import contextlib
import glob
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request

import configuration
import reader

SERVICE = "konexus-tokend.service"
RUNTIME = os.path.dirname(reader.TOKEN)
FILLER = "/run/filler"
CLOCK = "/etc/konexus-tokend.clock"

# What keeps new tokens away ends this long before the token in the file expires: the daemon must be able to recover.
MARGIN = 15
# No restart and no reload takes longer while new tokens can come.
COMMAND_LIMIT = 15
# The longest wait between two attempts for the first token of a table, after as long as new tokens are kept away.
LONGEST_BACKOFF = 16
# A removed file must be back within this time. The action ends as soon as it is back.
RESTORE_LIMIT = 3


class Skipped(Exception):
    """An action that is not possible now."""


class Administrator:
    def __init__(self, sandbox, packages, log):
        self.api, self.ca, self.control, secret = sandbox
        self.packages = packages
        self.log = log
        self.configuration = configuration.Configuration(self.api, self.ca, secret)
        # After so many more actions the broken file is corrected; None if it is not broken.
        self.broken_for = None
        # Until when no new token can come, and until when no file can be written.
        self.blocked_until = 0
        self.full_until = 0
        # Times in which a file is missing because it was removed here, each as [start, end]. While it lasts, there is
        # no end.
        self.removals = []
        self.longest_restoration = 0
        self.faults = []
        # The last process that a signal ended. It may still run for a moment.
        self.killed = None
        self.outcome = ""

    # --- Tools

    def run(self, *command, limit=60):
        """Runs a command without a terminal. Returns its exit status and its output."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        try:
            output = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0] + f"\nended after {limit} s"
        return process.returncode, output

    def say(self, status):
        """Adds the exit status of a command to what the log says of this action."""
        self.outcome += f" -> {status}"

    def fault(self, text):
        """Notes what failed and must not, with what systemd and the service logged before."""
        journal = self.run("journalctl", "--no-pager", "--output=short-precise", "--since=-20s", f"--unit={SERVICE}")[1]
        self.faults.append(f"{text}\n{journal}")
        self.outcome += " NOT OK"

    def property(self, name):
        return self.run("systemctl", "show", "--value", f"--property={name}", SERVICE)[1].strip()

    def wait(self, seconds, condition, look=0.1):
        """Whether the condition holds within that time. `look` is the time between two looks."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(look)
        return True

    def is_active(self):
        return self.property("ActiveState") == "active"

    def has_daemon(self):
        """Whether the service is active, with a process that no signal has ended."""
        shown = self.run("systemctl", "show", "--property=ActiveState,MainPID", SERVICE)[1]
        now = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        return now.get("ActiveState") == "active" and now.get("MainPID") not in ("0", self.killed)

    def require_daemon(self):
        # After SIGTERM or SIGKILL the service rests for RestartSec=.
        if not self.wait(10, self.has_daemon):
            raise Skipped("no daemon runs")

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, method=method, data=data)
        urllib.request.urlopen(request, timeout=20).read()

    def token(self):
        """The token that readers find; None if there is none."""
        try:
            with open(reader.TOKEN) as file:
                text = file.read()
        except OSError:
            return None
        return text if re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", text) else None

    def remaining(self):
        """How many seconds of the token in the file are left."""
        token = self.token()
        return reader.expiry(token) - time.time() - 2 if token else 0

    def block(self, seconds):
        """Waits until nothing new may come for that long, and no reader needs it."""
        if time.monotonic() < self.blocked_until:
            raise Skipped("something else keeps new tokens away")
        if not self.wait(45, lambda: self.remaining() > seconds + MARGIN):
            raise Skipped(f"the token has only {self.remaining():.0f} s left")
        self.blocked_until = time.monotonic() + seconds

    # --- Edits

    def apply(self, random):
        match random.choice(["restart", "reload", "check and restart", "nothing"]):
            case "restart":
                self.restart(random)
            case "reload":
                self.reload(random)
            case "check and restart":
                status, _ = self.run("konexus-tokend", "check", "--offline")
                self.outcome += f"; check -> {status}"
                if status == 0:
                    self.restart(random)

    def correct(self, random):
        """Puts a file in place that is right."""
        configuration.write(self.configuration.text().encode(), 0o600, random)
        self.broken_for = None

    def edit_good(self, random):
        self.outcome += f" ({self.configuration.edit_well(random)})"
        self.correct(random)
        self.apply(random)

    def edit_request(self, random):
        self.outcome += f" ({self.configuration.edit_request(random)})"
        self.correct(random)
        self.apply(random)

    def edit_broken(self, random):
        name, content, mode = configuration.break_it(self.configuration.text(), random)
        self.outcome += f" ({name})"
        configuration.write(content, mode, random)
        self.broken_for = random.randint(1, 4)
        self.apply(random)

    def correction(self, random):
        """Corrects the file. It follows an edit that was broken."""
        self.correct(random)
        random.choice([self.restart, self.reload])(random)

    def edit_rejected(self, random):
        """A configuration that the server rejects, corrected in time."""
        name = random.choice(list(configuration.REJECTED))
        seconds = random.uniform(2, 8)
        how = [random.choice([self.restart, self.reload]) for _ in range(2)]
        stray = random.choice([None, self.sigkill, self.sigterm, self.sigusr1])
        self.outcome += f" ({name} for {seconds:.1f} s)"
        # A restart with it takes time too.
        self.block(seconds + 10)
        end = time.monotonic() + seconds
        text = self.configuration.text(**configuration.REJECTED[name])
        configuration.write(text.encode(), 0o600, random)
        how[0](random)
        if stray:
            stray(random)
        time.sleep(max(0, end - time.monotonic()))
        self.correct(random)
        how[1](random)
        self.blocked_until = time.monotonic()

    # --- The service

    def start_limit(self):
        """A start waits for the first token of each table, and so for the end of what keeps new tokens away."""
        away = self.blocked_until + LONGEST_BACKOFF - time.monotonic()
        return COMMAND_LIMIT + max(0, away)

    def restart(self, random):
        """A restart succeeds with any file: the previous configuration stays in effect if the file is broken."""
        self.outcome += "; restart"
        status, output = self.run("systemctl", "restart", SERVICE, limit=self.start_limit())
        self.say(status)
        if status != 0:
            self.fault(f"restart ended with {status}:\n{output}")

    def reload(self, random):
        """A reload succeeds if the file is right and the service runs. A broken file may make it fail."""
        must_succeed = self.broken_for is None and self.has_daemon()
        self.outcome += "; reload"
        status, output = self.run("systemctl", "reload", SERVICE, limit=COMMAND_LIMIT)
        self.say(status)
        if status != 0 and must_succeed:
            self.fault(f"reload of a file that is right ended with {status}:\n{output}")

    def package(self, random):
        path = random.choice(self.packages)
        self.outcome += f" ({os.path.basename(path)})"
        status, output = self.run("dpkg", "--install", path, limit=180)
        self.say(status)
        if status != 0:
            self.fault(f"dpkg --install {path} ended with {status}:\n{output}")

    def manager(self, random):
        verb = random.choice(["daemon-reload", "daemon-reexec"])
        self.outcome += f" ({verb})"
        self.say(self.run("systemctl", verb)[0])

    def stray(self, number):
        """A signal to the main process at any moment."""
        pid = 0

        def has_process():
            nonlocal pid
            pid = int(self.property("MainPID") or 0)
            return pid != 0

        if not self.wait(5, has_process):
            raise Skipped("the service has no process")
        self.outcome += f"; {signal.Signals(number).name} to {pid}"
        if number in (signal.SIGTERM, signal.SIGKILL):
            self.killed = str(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def sigterm(self, random):
        self.stray(signal.SIGTERM)

    def sigkill(self, random):
        self.stray(signal.SIGKILL)

    def sighup(self, random):
        self.stray(signal.SIGHUP)

    def sigusr1(self, random):
        self.stray(signal.SIGUSR1)

    # --- The host

    def full_run(self, random):
        seconds = random.uniform(2, 10)
        # Full, or with room for a small file and none for a large one.
        room = random.choice([0, 0, 4096, 8192, 16384])
        self.outcome += f" ({seconds:.1f} s, {room} bytes left)"
        self.block(seconds)
        # The daemon may wait ten more seconds before it writes again.
        self.full_until = time.monotonic() + seconds
        descriptor = os.open(FILLER, os.O_WRONLY | os.O_CREAT, 0o600)
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while os.write(descriptor, bytes(size)) == size:
                    pass
        os.truncate(descriptor, os.fstat(descriptor).st_size - room)
        os.close(descriptor)
        # Not by the next action: an upgrade may take longer.
        timer = threading.Timer(seconds, self.empty_run)
        timer.daemon = True
        timer.start()

    def empty_run(self):
        os.unlink(FILLER)
        self.log("            /run has room again")

    def clock(self, random):
        """A step of the daemon's wall clock. The clock of the host is not touched."""
        ahead = random.choice([-86400, -3600, -40, -3, 0, 3, 40, 3600, 86400, 2592000])
        self.outcome += f" ({ahead:+} s)"
        with open(CLOCK, "r+") as file:
            file.write(f"{ahead:+010}\n")

    def outage(self, random):
        """Of both servers without a connection, or of the authorization server alone."""
        seconds = random.uniform(2, 12)
        name = random.choice(["down", "silent", "status", "reset", "html", "oauthError"])
        self.outcome += f" ({name}, {seconds:.1f} s)"
        self.block(seconds)
        if name in ("down", "silent"):
            return self.ask("POST", f"/{name}?seconds={seconds}")
        fault = {"kind": name, "at": ["discovery", "jwks", "token"], "seconds": seconds}
        if name == "status":
            fault["status"] = 503
        if name == "oauthError":
            fault |= {"code": "invalid_client", "status": 401, "at": ["token"]}
        self.ask("POST", "/faults", fault)

    # --- Removals

    @contextlib.contextmanager
    def removal(self):
        """Reads without a token do not count in here, for as long as the daemon may need to restore the file."""
        window = [time.monotonic(), None]
        self.removals.append(window)
        try:
            yield
        finally:
            window[1] = time.monotonic()

    def require_restorable(self):
        if time.monotonic() < self.full_until:
            raise Skipped("/run is full")
        self.require_daemon()
        if self.token() is None:
            raise Skipped("there is no token")

    def is_restored(self):
        try:
            mode = os.stat(reader.TOKEN).st_mode
        except OSError:
            return False
        return mode & 0o040 != 0 and self.token() is not None

    def await_restoration(self):
        start = time.monotonic()
        is_back = self.wait(RESTORE_LIMIT, self.is_restored, look=0.005)
        took = time.monotonic() - start
        self.longest_restoration = max(took, self.longest_restoration)
        self.outcome += f"; back after {took * 1000:.0f} ms" if is_back else f"; not back after {took:.1f} s"

    def remove_token(self, random):
        how = random.choice(["the token", "all files"])
        self.outcome += f" ({how})"
        self.require_restorable()
        with self.removal():
            for path in [reader.TOKEN] if how == "the token" else glob.glob(RUNTIME + "/*"):
                os.unlink(path)
            self.await_restoration()

    def damage_token(self, random):
        how = random.choice(["mode 0600", "cut off", "other content"])
        self.outcome += f" ({how})"
        self.require_restorable()
        with self.removal():
            if how == "mode 0600":
                os.chmod(reader.TOKEN, 0o600)
            elif how == "cut off":
                os.truncate(reader.TOKEN, 20)
            else:
                with open(reader.TOKEN, "w") as file:
                    file.write("something else\n")
            self.await_restoration()

    def remove(self, pattern):
        found = glob.glob(f"{RUNTIME}/{pattern}")
        self.outcome += f" ({', '.join(map(os.path.basename, found)) or pattern})"
        if not found:
            raise Skipped("there is none")
        for path in found:
            os.unlink(path)
        return found

    def remove_state(self, random):
        """Removes what the next start needs in order to reuse the token. The daemon must put it back."""
        if time.monotonic() < self.full_until:
            raise Skipped("/run is full")
        # While no daemon runs, none can restore it.
        self.require_daemon()
        found = self.remove("*.state")
        if not self.wait(RESTORE_LIMIT, lambda: all(map(os.path.exists, found)), look=0.005):
            self.fault(f"not restored within {RESTORE_LIMIT} s: {', '.join(found)}")

    def remove_other(self, random):
        """Removes what no reader needs."""
        self.remove(random.choice(["status.json", ".*.lock", "control"]))

    def remove_directory(self, random):
        seconds = random.uniform(0, 2)
        if time.monotonic() < self.blocked_until:
            raise Skipped("no new token can come")
        self.require_restorable()
        with self.removal():
            self.run("rm", "-r", RUNTIME)
            self.wait(seconds, self.is_restored)
            # Only systemd can create the directory again. This is what the status says.
            self.outcome += f"; status -> {self.run('konexus-tokend', 'status')[0]}"
            self.restart(random)
