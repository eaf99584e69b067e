"""Who is compared: each writes a token to a file, or says why it cannot be here."""
import os
import re
import shutil
import socket
import subprocess

from . import compiled, stage

NAME = "konexus-tokend"
GO = "Go go-oidc"
FLOOR = "C floor"


class Contender:
    """A program that puts a token into `TOKEN_FILE`.

    `lacks`: the part of the daemon's work that it does not do. None means equal work, which harness/equality.py proves.
    """

    # The address of a proxy through which applications call the API. None if they read the token from a file.
    proxy = None

    def __init__(self, name, command, missing=None, lacks=None):
        self.name = name
        self.command = command
        self.missing = missing
        self.lacks = lacks

    @property
    def equal(self):
        """Whether the work is equal, as words."""
        return f"no: {self.lacks}" if self.lacks else "yes"

    def environment(self, place, directory, refresh=None, retry=None, timeout=None):
        environment = {
            "ISSUER": place.issuer, "TOKEN_URL": place.token_url, "CLIENT_ID": "ext-1741-sample-client",
            "SECRET_FILE": place.secret_file, "TOKEN_FILE": os.path.join(directory, "konexus.token"),
            "HOME": directory,
        }
        if refresh is not None:
            environment["REFRESH_SECONDS"] = str(refresh)
        if retry is not None:
            environment["RETRY_SECONDS"] = str(retry)
        if timeout is not None:
            environment["REQUEST_TIMEOUT"] = str(timeout)
        return environment

    def start(self, place, directory, refresh=None, retry=None, timeout=None, extra=None, **streams):
        environment = {**self.environment(place, directory, refresh, retry, timeout), **(extra or {})}
        return place.start(self.command, environment, **streams)


class Daemon(Contender):
    """konexus-tokend, with one table or many. `settings`: further lines of each table."""

    def __init__(self, name=NAME, settings=""):
        super().__init__(name, [stage.DAEMON, "run"])
        self.settings = settings

    def start(self, place, directory, tokens=1, max_requests=4, timeout=30, extra=None, **streams):
        config = place.path(f"config-{os.path.basename(directory)}.toml")
        secret = (extra or {}).get("SECRET_FILE", place.secret_file)
        text = f"[daemon]\nmax_requests = {max_requests}\nlog_level = \"warning\"\n"
        for number in range(tokens):
            name = "konexus" if number == 0 else f"konexus-{number}"
            issuer = place.issuers[number % len(place.issuers)]
            text += (f'[token.{name}]\nissuer = "{issuer}"\nclient_id = "ext-1741-sample-client"\n'
                     f'client_secret_file = "{secret}"\ntimeout = "{timeout}s"\n{self.settings}')
        _write(config, text)
        environment = {"RUNTIME_DIRECTORY": directory, "LIBDISPATCH_LOG": "NO", **(extra or {})}
        for name in ("refresh", "retry"):
            streams.pop(name, None)
        return place.start(self.command + ["--config", config], environment, **streams)


def envoy():
    """Where Envoy is, if it is there."""
    return os.environ.get("ENVOY") or shutil.which("envoy") or os.path.join(stage.BUILT, "envoy")


class Envoy(Contender):
    """Envoy with its OAuth2 credential injector, through which applications call the API. It writes no file.

    It refreshes at half of `expires_in`, whatever `refresh` says, and retries a second later at the earliest."""

    def __init__(self):
        program = envoy()
        super().__init__("Envoy injector", [program], None if os.path.exists(program) else "envoy not installed",
                         "no discovery, no verification, no file")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.proxy = f"http://127.0.0.1:{self._port}"

    def start(self, place, directory, refresh=None, retry=None, timeout=None, extra=None, **streams):
        secret = (extra or {}).get("SECRET_FILE", place.secret_file)
        if os.path.exists(secret):
            # Envoy sends the file as it is, with the newline.
            with open(secret) as file:
                text = file.read().strip()
            secret = os.path.join(directory, "client-secret")
            _write(secret, text)
        with open(os.path.join(stage.PEERS, "envoy.yaml")) as file:
            config = file.read()
        for name, value in {
                "TOKEN_URL": place.token_url, "SERVER": re.search(r":(\d+)", place.token_url[6:]).group(1),
                "LISTENER": self._port, "SECRET_FILE": secret, "RETRY": max(1, round(retry or 2)),
                "TIMEOUT": timeout or 5}.items():
            config = config.replace(f"@{name}@", str(value))
        path = os.path.join(directory, "envoy.yaml")
        _write(path, config)
        command = [*self.command, "--config-path", path, "--concurrency", "1", "--log-level", "error",
                   "--disable-hot-restart"]
        return place.start(command, {}, **streams)


def _write(path, text):
    """Writes a file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


class LibcurlAlone(Contender):
    """What is left when nothing is parsed, verified, reported or kept: the floor for who uses libcurl."""

    def __init__(self):
        problem = compiled.build("harness/bare_post.c", "-lcurl", "-lpthread")
        super().__init__("libcurl alone", [compiled.path("bare_post.c")], problem, lacks="the response is not read")


class Floor(Contender):
    """The same work with libcurl and libcrypto, in C, and nothing else."""

    def __init__(self):
        problem = compiled.build("peers/verified.c", "-lcurl", "-lcrypto", "-ljansson", "-lsystemd")
        super().__init__(FLOOR, [compiled.path("verified.c")], problem)


def all_peers():
    """What administrators would write in place of the daemon, each with the reason if it is not installed."""
    def python(program, *modules):
        probe = subprocess.run(["/usr/bin/python3", "-c", "import " + ", ".join(modules)], capture_output=True)
        return ["/usr/bin/python3", os.path.join(stage.PEERS, program)], (
            f"a Python module of {', '.join(modules)} not installed" if probe.returncode else None)

    def go(directory, packages):
        return [compiled.path(directory)], compiled.build_go(f"peers/{directory}", packages)

    unverified = "no discovery, no verification"
    missing = [tool for tool in ("curl", "jq") if not shutil.which(tool)]
    return [
        Contender("curl + jq", [os.path.join(stage.PEERS, "curl-timer")],
                  f"{' and '.join(missing)} not installed" if missing else None, unverified),
        Contender("Python requests", *python("requests-loop", "requests"), unverified),
        Contender("Python PyJWT", *python("jwt-loop", "requests", "jwt", "cryptography")),
        Contender("Go x/oauth2", *go("oauth2-file", "golang-golang-x-oauth2-dev"), unverified),
        Contender(GO, *go("oidc-file", "golang-github-coreos-go-oidc-dev or golang-github-coreos-go-systemd-dev")),
    ]
