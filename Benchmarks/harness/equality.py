"""Proof that contenders do equal work: each gets tokens that it must not publish, one after the other."""
import os
import time

NAME = "konexus.token"
SIGNATURES = ["corrupted", "unpublishedKey", "unknownKey", "truncated", "none", "hs256WithPublicKey"]
CLAIMS = ["expiredToken", "tokenNotYetValid", "wrongAudience", "wrongTokenIssuer", "wrongClientID", "wrongTokenScope",
          "wrongTokenType"]


FAULTS = {
    **{name: {"kind": "signature", "signature": name, "at": ["token"]} for name in SIGNATURES},
    **{name: {"kind": name, "at": ["token"]} for name in CLAIMS},
    "wrongIssuer": {"kind": "wrongIssuer", "at": ["discovery"]},
}


def check(place, contender):
    """The names of the faults whose bad token or document a contender published; empty for equal work.

    It ends the comparison if a contender publishes no valid token either: who publishes nothing proves nothing."""
    published = []
    for name, fault in FAULTS.items():
        place.control("PUT", "/faults", [fault])
        if _publishes(place, contender, fault["at"][0]):
            published.append(name)
    place.control("DELETE", "/faults")
    if not _publishes(place, contender, "token"):
        raise SystemExit(f"{contender.name} publishes no valid token")
    return published


def _publishes(place, contender, endpoint):
    """Whether a contender publishes a token. It does not when it asks the endpoint a second time instead."""
    directory = place.directory("equality")
    place.control("DELETE", "/counts")
    process = contender.start(place, directory, refresh=3600, retry=0.1)
    end, is_there = time.monotonic() + 60, False
    while not is_there and place.counts()["requests"].get(endpoint, 0) < 2:
        if time.monotonic() > end:
            raise SystemExit(f"{contender.name} neither publishes a token nor asks again within a minute")
        time.sleep(0.02)
        is_there = os.path.exists(os.path.join(directory, NAME))
    place.stop(process)
    return is_there
