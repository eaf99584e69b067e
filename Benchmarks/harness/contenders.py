"""Who is compared: each writes a token to a file, or says why it cannot be here."""
import os
import shutil
import subprocess

from . import compiled, stage


class Contender:
    """A program that puts a token into `TOKEN_FILE`."""

    def __init__(self, name, command, missing=None):
        self.name = name
        self.command = command
        self.missing = missing

    def environment(self, place, directory, refresh=None, retry=None, timeout=None):
        environment = {
            "TOKEN_URL": place.token_url, "CLIENT_ID": "ext-1741-sample-client", "SECRET_FILE": place.secret_file,
            "TOKEN_FILE": os.path.join(directory, "konexus.token"), "HOME": directory,
        }
        if refresh is not None:
            environment["REFRESH_SECONDS"] = str(refresh)
        if retry is not None:
            environment["RETRY_SECONDS"] = str(retry)
        if timeout is not None:
            environment["REQUEST_TIMEOUT"] = str(timeout)
        return environment

    def start(self, place, directory, refresh=None, retry=None, timeout=None, **streams):
        environment = self.environment(place, directory, refresh, retry, timeout)
        return place.start(self.command, environment, **streams)


class Daemon(Contender):
    """konexus-tokend, with one table or many. `settings`: further lines of each table."""

    def __init__(self, name="konexus-tokend", settings=""):
        super().__init__(name, [stage.DAEMON, "run"])
        self.settings = settings

    def start(self, place, directory, tokens=1, max_requests=4, timeout=30, extra=None, **streams):
        config = place.path(f"config-{os.path.basename(directory)}.toml")
        with open(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"[daemon]\nmax_requests = {max_requests}\nlog_level = \"warning\"\n")
            for number in range(tokens):
                name = "konexus" if number == 0 else f"konexus-{number}"
                file.write(f'[token.{name}]\nissuer = "{place.issuer}"\nclient_id = "ext-1741-sample-client"\n'
                           f'client_secret_file = "{place.secret_file}"\ntimeout = "{timeout}s"\n{self.settings}')
        environment = {"RUNTIME_DIRECTORY": directory, "LIBDISPATCH_LOG": "NO", **(extra or {})}
        for name in ("refresh", "retry"):
            streams.pop(name, None)
        return place.start(self.command + ["--config", config], environment, **streams)


class LibcurlAlone(Contender):
    """What is left when nothing is parsed, verified, reported or kept: the floor for who uses libcurl."""

    def __init__(self):
        problem = compiled.build("bare_post.c", "-lcurl", "-lpthread")
        super().__init__("libcurl alone", [compiled.path("bare_post.c")], problem)


def all_peers():
    """(a), (b) and (d), each with the reason if it is not installed."""
    peers = []
    missing = [tool for tool in ("curl", "jq") if not shutil.which(tool)]
    peers.append(Contender("curl + jq", [os.path.join(stage.PEERS, "curl-timer")],
                           f"{' and '.join(missing)} not installed" if missing else None))
    probe = subprocess.run(["/usr/bin/python3", "-c", "import requests"], capture_output=True)
    peers.append(Contender("Python requests", ["/usr/bin/python3", os.path.join(stage.PEERS, "requests-loop")],
                           "python3-requests not installed" if probe.returncode else None))
    peers.append(Contender("Go x/oauth2", [os.path.join(stage.BUILT, "oauth2-file")], _build_go()))
    return peers


def _build_go():
    if not shutil.which("go"):
        return "golang-go not installed"
    os.makedirs(stage.BUILT, exist_ok=True)
    built = subprocess.run(
        ["go", "build", "-o", os.path.join(stage.BUILT, "oauth2-file"), "."], capture_output=True, text=True,
        cwd=os.path.join(stage.PEERS, "oauth2-file"),
        env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
             "GOCACHE": os.path.join(stage.BUILT, "go-cache")})
    if built.returncode == 0:
        return None
    return "golang-golang-x-oauth2-dev not installed" if "cannot find package" in built.stderr else built.stderr.strip()
