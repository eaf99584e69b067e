"""What it costs to verify held tokens again whenever an issuer's key set is read."""
import json
import os
import re
import shutil
import statistics
import subprocess
import time
import urllib.request

from . import many, readings

# The shortest recheck_interval. The first reading comes within a minute.
INTERVAL = 60


class Cost:
    """One check of all tokens of a daemon.

    - `refresh`: processor seconds of a cold start, for each token
    - `check`: processor seconds of a check, for each token
    - `private`: private dirty KiB before and after
    - `resident`: resident KiB before, and the most during the checks
    """


def measure(place, daemon, tokens):
    """The costs of a check of so many tokens, which come from all issuers of `place` in turn."""
    cost = Cost()
    crowd = many.Crowd(place, daemon, tokens)
    pid = crowd.process.pid
    crowd.settle()
    cost.refresh = crowd.cpu() / tokens
    private, resident = crowd.private_kib(), _status(pid, "VmRSS")
    # From now on, VmHWM is the most since this moment.
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")
    begin = time.monotonic()
    samples = [(begin, crowd.cpu())]
    looked, times = 0, []
    issuers = range(len(place.issuers))
    # Each issuer's next reading, and what is to be done after it.
    while time.monotonic() < begin + INTERVAL + 30:
        time.sleep(0.05)
        samples.append((time.monotonic(), crowd.cpu()))
        if time.monotonic() > looked + 1:
            looked = time.monotonic()
            found = [[request["time"] for request in place.requests("jwks", issuer) if request["time"] > begin]
                     for issuer in issuers]
            times = [first[0] for first in found if first]
            if len(times) == len(place.issuers) and looked > max(times) + 3:
                break
    else:
        raise SystemExit("not all key sets were read again in time")
    cost.check = _during(samples, times) / tokens
    cost.private = private, crowd.private_kib()
    cost.resident = resident, _status(pid, "VmHWM")
    crowd.end()
    return cost


def _during(samples, times, before=0.15, after=2.5):
    """The processor seconds around these times. What else the daemon does a minute, such as its status, is left out."""
    total = 0
    for (start, first), (end, second) in zip(samples, samples[1:]):
        if any(time - before <= start and end <= time + after for time in times):
            total += second - first
    return total


def _status(pid, name):
    """A value of /proc/PID/status in KiB."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def bare_verification():
    """Processor seconds of one RSA verification by libcrypto, 2048 bits, or None without openssl(1)."""
    if not shutil.which("openssl"):
        return None
    run = subprocess.run(["openssl", "speed", "-mr", "-seconds", "1", "rsa2048"], capture_output=True, text=True)
    found = re.search(r"^\+F2:\d+:2048:([\d.]+):([\d.]+)", run.stdout, re.MULTILINE)
    # It counts by its own processor time: signatures and verifications a second.
    return 1 / float(found.group(2)) if found else None


def pyjwt(place):
    """Processor seconds of one verification of a token by PyJWT, or None if it is not installed."""
    try:
        import jwt
    except ImportError:
        return None
    form = "grant_type=client_credentials&client_id=ext-1741-sample-client&scope=tamarack&client_secret="
    with open(place.secret_file) as file:
        form += urllib.request.quote(file.read().strip(), safe="")
    with urllib.request.urlopen(place.token_url, data=form.encode()) as answer:
        token = json.load(answer)["access_token"]
    with urllib.request.urlopen(place.issuer + "/.well-known/openid-configuration") as answer:
        location = json.load(answer)["jwks_uri"]
    with urllib.request.urlopen(location) as answer:
        keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(json.load(answer)).keys}
    values = []
    for _ in range(5):
        begin = time.process_time()
        for _ in range(200):
            key = keys[jwt.get_unverified_header(token)["kid"]]
            jwt.decode(token, key, algorithms=["RS256"], audience="tamarack", issuer=place.issuer)
        values.append((time.process_time() - begin) / 200)
    return statistics.median(values)


def share_of_a_core(cost, tokens, interval=900):
    """The share of one core that the checks take at the default interval."""
    return cost.check * tokens / (interval * 0.95)
