"""Programs that hold tokens but write no file: what they take at rest."""
import shutil
import time

from . import contenders
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
    contender = contenders.Envoy()
    if contender.missing:
        return contender.missing
    before = place.counts()["tokensIssued"]
    process = contender.start(place, place.directory("envoy"))
    time.sleep(8)
    if process.poll() is not None:
        return f"envoy ended with {process.returncode}"
    if place.counts()["tokensIssued"] == before:
        place.stop(process)
        return "envoy got no token"
    result = footprint(process.pid)
    place.stop(process)
    return result
