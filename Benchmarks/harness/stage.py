"""The environment of all contenders: a directory on tmpfs, and the sandbox, which the system trusts as any server."""
import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELEASE = os.path.join(ROOT, ".build", "release")
BUILT = os.path.join(ROOT, ".build", "bench")
PEERS = os.path.join(ROOT, "Benchmarks", "peers")
SANDBOX = os.environ.get("SANDBOX") or os.path.join(RELEASE, "konexus-sandbox")
DAEMON = os.environ.get("BINARY") or os.path.join(RELEASE, "konexus-tokend")
SYSTEM_STORE = "/etc/ssl/certs"


def enter_private_mounts():
    """Runs this program again where what it mounts is seen by itself and its children alone."""
    if os.environ.get("BENCH_PRIVATE") == "yes":
        return
    os.environ["BENCH_PRIVATE"] = "yes"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.execvp("unshare", ["unshare", "--mount", *user, sys.executable, "-u", *sys.argv])


def check_built():
    """Ends the program if a program of this project is missing."""
    for program in (DAEMON, SANDBOX):
        if not os.path.exists(program):
            sys.exit(f"{program} is not built: type make build bench-build")


class Stage:
    """A sandbox, its secret, its CA in the system's trust store, and a home for files. Ends what it started.

    `issuers`: how many sandboxes, each an issuer of its own, for which the secret is the same."""

    def __init__(self, lifetime=3600, key_bits=4096, issuers=1):
        self.home = tempfile.mkdtemp(prefix="konexus-bench.", dir="/dev/shm")
        os.chmod(self.home, 0o750)
        self.processes = []
        atexit.register(self.end)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.secret_file = self.path("client-secret")
        self.sandboxes, self.issuers, self.control_urls, authorities = [], [], [], []
        for number in range(issuers):
            authorities.append(self.path(f"ca-{number}.pem"))
            self.sandboxes.append(self.start(
                [SANDBOX, "--lifetime", str(lifetime), "--key-bits", str(key_bits),
                 "--ca-file", authorities[-1], "--secret-file", self.secret_file, "--quiet"], {},
                stdout=subprocess.PIPE))
            line = self.sandboxes[-1].stdout.readline().decode()
            if "issuer " not in line:
                sys.exit(f"the sandbox did not start: {line}")
            self.issuers.append(line.split("issuer ")[1].split(",")[0])
            self.control_urls.append(line.split("control ")[1].strip())
        self.issuer = self.issuers[0]
        self._trust(authorities)
        with urllib.request.urlopen(self.issuer + "/.well-known/openid-configuration") as answer:
            self.token_url = json.load(answer)["token_endpoint"]

    def _trust(self, authorities):
        """Replaces the system's trust store by a copy that also has the CA certificates of the sandboxes.

        Its layout is that of update-ca-certificates(8): a bundle, and a directory of links named by hash.
        So no contender needs a CA file."""
        subprocess.run(["umount", SYSTEM_STORE], stderr=subprocess.DEVNULL)
        store = self.path("authorities")
        shutil.copytree(SYSTEM_STORE, store, symlinks=True)
        for authority in authorities:
            name = os.path.basename(authority)
            with open(os.path.join(store, "ca-certificates.crt"), "ab") as bundle, open(authority, "rb") as source:
                bundle.write(source.read())
            shutil.copy(authority, os.path.join(store, name))
            found = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", authority],
                                   check=True, capture_output=True, text=True).stdout.strip()
            # Certificates whose subjects have the same hash are numbered.
            number = sum(other.startswith(found + ".") for other in os.listdir(store))
            os.symlink(name, os.path.join(store, f"{found}.{number}"))
        subprocess.run(["mount", "--bind", store, SYSTEM_STORE], check=True)

    def path(self, name):
        return os.path.join(self.home, name)

    def directory(self, name):
        """An empty directory that a daemon would put a token into."""
        path = self.path(name)
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path, 0o750)
        os.chmod(path, 0o750)
        return path

    def start(self, command, environment, **streams):
        process = subprocess.Popen(
            command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL, start_new_session=True,
            **{"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams})
        self.processes.append(process)
        return process

    def stop(self, process):
        # A script's programs too. The group is gone if the process has ended and left none.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process in self.processes:
            self.processes.remove(process)

    def control(self, method, path, body=None, text=None, issuer=0):
        data = text.encode() if text else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_urls[issuer] + path, data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def counts(self):
        """How often things happened at the sandbox."""
        return json.loads(self.control("GET", "/counts"))

    def requests(self, endpoint, issuer=0):
        """The requests to an endpoint: dictionaries with the time by CLOCK_MONOTONIC, the status and others."""
        return [request for request in json.loads(self.control("GET", "/requests", issuer=issuer))
                if request["endpoint"] == endpoint]

    def end(self):
        for process in list(self.processes):
            self.stop(process)
        subprocess.run(["umount", SYSTEM_STORE], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)
