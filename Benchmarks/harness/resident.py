"""Programs that hold tokens but write no file: what they take at rest."""
import os
import re
import shutil
import time

from . import stage
from .single import footprint


def oidc_agent(place):
    """Private dirty KiB, PSS KiB and threads of oidc-agent without an account, or why it is not here."""
    if not shutil.which("oidc-agent"):
        return "oidc-agent not installed"
    home = place.directory("oidc-agent")
    process = place.start([shutil.which("oidc-agent"), "--console"], {"HOME": home, "TMPDIR": home})
    time.sleep(3)
    if process.poll() is not None:
        return f"oidc-agent ended with {process.returncode}"
    result = footprint(process.pid)
    place.stop(process)
    return result


def envoy(place):
    """The same of Envoy with its OAuth2 credential injector, which fetches a token for one upstream."""
    program = os.environ.get("ENVOY") or shutil.which("envoy") or os.path.join(stage.BUILT, "envoy")
    if not os.path.exists(program):
        return "envoy not installed"
    with open(os.path.join(stage.PEERS, "envoy.yaml")) as file:
        text = file.read()
    with open(place.secret_file) as file:
        secret = file.read().strip()
    port = re.search(r":(\d+)", place.token_url[6:]).group(1)
    config = place.path("envoy.yaml")
    with open(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text.replace("@TOKEN_URL@", place.token_url).replace("@PORT@", port).replace("@SECRET@", secret))
    before = place.counts()["tokensIssued"]
    process = place.start([program, "--config-path", config, "--concurrency", "1", "--log-level", "error"], {})
    time.sleep(8)
    if process.poll() is not None:
        return f"envoy ended with {process.returncode}"
    if place.counts()["tokensIssued"] == before:
        place.stop(process)
        return "envoy got no token"
    result = footprint(process.pid)
    place.stop(process)
    return result
