"""soak_admin SECONDS SEED [--without KIND,...] PACKAGE...: the actions of an administrator, at random, under a reader.

It runs under the systemd of a test, with the sandbox and the service started. It exits with 1 in these cases:

- A read was rejected, torn, or found no token.
- A restart, a reload of a valid file, or an installation failed.
- No fresh token came after the last action.
"""

import argparse
import collections
import datetime
import os
import random
import subprocess
import sys
import threading
import time

from administrator import FILLER, SERVICE, Administrator, Skipped
import reader

# How often each kind comes in one deck.
DECK = {
    "edit_good": 3, "edit_request": 1, "edit_broken": 3, "edit_rejected": 1,
    "restart": 2, "reload": 2, "package": 2, "manager": 1,
    "sigterm": 2, "sigkill": 2, "sighup": 2, "sigusr1": 2,
    "full_run": 2, "clock": 2, "outage": 2,
    "remove_token": 2, "damage_token": 1, "remove_state": 1, "remove_other": 1,
    "remove_directory": 1,
}


class Log:
    """The actions and the faults, each with its time."""

    def __init__(self):
        self.began = time.monotonic()
        self.lock = threading.Lock()

    def __call__(self, text, at=None):
        now = time.monotonic()
        at = now if at is None else at
        clock = datetime.datetime.now() - datetime.timedelta(seconds=now - at)
        with self.lock:
            print(f"{clock:%H:%M:%S.%f}"[:-3] + f" {at - self.began:9.3f}  {text}", flush=True)


class Readings:
    """The reads and their verdicts, which the reader sends."""

    def __init__(self, process, pipe, removals, log):
        self.process, self.pipe, self.removals, self.log = process, pipe, removals, log
        self.counts = collections.Counter()
        self.tokens_seen = 0
        # Runs of reads that are wrong: [first, last, how many, what].
        self.gaps = []
        self.is_gap = False
        self.is_over = False
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            try:
                at, verdict, why = self.pipe.recv()
            except EOFError:
                self.process.join()
                if not self.is_over:
                    self.log(f"NOT OK      the reader ended with {self.process.exitcode}")
                return
            self.note(at, verdict, why)

    def note(self, at, verdict, why):
        self.counts["reads"] += 1
        if verdict == "accepted":
            self.counts[verdict] += 1
            self.counts["listed"] += why == "listed"
            if self.is_gap:
                first, last, count, what = self.gaps[-1]
                self.log(f"            reads are accepted again: {count} were {what}, {at - first:.1f} s", at)
            self.is_gap = False
            return
        if verdict in ("missing", "torn") and self.is_excused(at):
            self.counts["excused"] += 1
            return
        self.counts[verdict] += 1
        if self.is_gap and self.gaps[-1][3] == verdict:
            self.gaps[-1][1] = at
            self.gaps[-1][2] += 1
            return
        self.log(f"NOT OK      {verdict}: {why}", at)
        self.gaps.append([at, at, 1, verdict])
        self.is_gap = True

    def is_excused(self, at):
        return any(start <= at and (end is None or at <= end) for start, end in list(self.removals))

    @property
    def wrong(self):
        return sum(self.counts[verdict] for verdict in ("rejected", "missing", "torn"))


def deal(seed):
    """The kinds of actions in their order: each deck has them all. Each action has random numbers of its own."""
    number = 0
    while True:
        deck = [kind for kind, count in DECK.items() for _ in range(count)]
        random.Random(f"{seed} deck {number}").shuffle(deck)
        for kind in deck:
            number += 1
            yield kind, random.Random(f"{seed} action {number}")


def perform(administrator, kind, numbers, log, actions):
    """One action, and a line in the log."""
    start = time.monotonic()
    administrator.outcome = ""
    log(f"begins      {kind}")
    try:
        getattr(administrator, kind)(numbers)
        actions[kind] += 1
        took = time.monotonic() - start
        log(f"{took:8.3f} s  {kind}{administrator.outcome}")
    except Skipped as reason:
        actions["skipped"] += 1
        log(f"skipped     {kind}{administrator.outcome}: {reason}")


def show_journal(gap, log):
    """What the service and systemd logged around a gap."""
    now, wall = time.monotonic(), time.time()
    start, end = (wall - now + at for at in (gap[0] - 5, gap[0] + 3))
    print(f"--- the journal around {gap[0] - log.began:.3f}")
    sys.stdout.flush()
    subprocess.run(
        ["journalctl", "--no-pager", "--output=short-precise", f"--since=@{start:.6f}", f"--until=@{end:.6f}",
         f"--unit={SERVICE}"], check=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--without", default="")
    options = parser.parse_args()
    without = set(options.without.replace(",", " ").split())
    if DECK.keys() <= without:
        parser.error("--without leaves no action")
    if unknown := without - DECK.keys():
        parser.error(f"no such kind: {', '.join(unknown)}; there are: {', '.join(DECK)}")

    api, ca, control = (os.environ[name] for name in ("API", "CA", "CONTROL"))
    with open("/root/secret") as file:
        secret = file.read().strip()
    process, pipe = reader.start(api, ca, control)
    log = Log()
    administrator = Administrator((api, ca, control, secret), options.packages, log)
    readings = Readings(process, pipe, administrator.removals, log)
    actions = collections.Counter()
    print(f"soak-admin: {options.seconds:.0f} s, seed {options.seed}", flush=True)

    end = time.monotonic() + options.seconds
    for kind, numbers in deal(options.seed):
        pause = numbers.choice([0, 0, numbers.uniform(0, 0.3), numbers.uniform(0, 3)])
        if kind in without:
            continue
        if time.monotonic() + pause > end:
            break
        time.sleep(pause)
        perform(administrator, kind, numbers, log, actions)
        if administrator.broken_for is not None:
            administrator.broken_for -= 1
            if administrator.broken_for < 0:
                perform(administrator, "correction", numbers, log, actions)

    # The host is in order again, and the administrator leaves it alone.
    if administrator.broken_for is not None:
        perform(administrator, "correction", numbers, log, actions)
    administrator.wait(60, lambda: time.monotonic() > administrator.blocked_until and not os.path.exists(FILLER))
    checks = {}
    checks["the service is active after the last action"] = administrator.wait(30, administrator.is_active)
    last = administrator.token()
    log("waits for a fresh token")
    checks["and a fresh token comes"] = administrator.wait(60, lambda: administrator.token() not in (None, last))
    # What was edited and never applied is applied, so that no report remains.
    perform(administrator, "restart", numbers, log, actions)
    checks["then a restart leaves no trouble to report"] = administrator.wait(
        10, lambda: administrator.run("konexus-tokend", "status")[0] == 0)

    seconds = time.monotonic() - log.began
    counts = readings.counts
    checks["the reader read all the time"] = process.is_alive() and counts["reads"] > 5 * seconds
    checks["no read was rejected"] = counts["rejected"] == 0
    checks["no token was missing"] = counts["missing"] == 0
    checks["no token was torn"] = counts["torn"] == 0
    checks["each command and each restoration that must succeed did"] = not administrator.faults

    failed = not all(checks.values())
    if failed:
        for gap in readings.gaps[:3]:
            show_journal(gap, log)
        if not checks["then a restart leaves no trouble to report"]:
            print("--- konexus-tokend status\n" + administrator.run("konexus-tokend", "status")[1])
        for fault in administrator.faults[:5]:
            print(f"--- {fault}")
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(actions.items()))
    print(f"""soak-admin: {seconds:.0f} s, seed {options.seed}
  reads {counts['reads']} ({counts['reads'] / seconds:.1f} per second), accepted {counts['accepted']} \
(of which {counts['listed']} by the list of tokens, while the API was away)
  rejected {counts['rejected']}, missing {counts['missing']}, torn {counts['torn']}, in {len(readings.gaps)} gaps; \
not counted {counts['excused']}, while a file was removed
  longest restoration of a file {administrator.longest_restoration * 1000:.0f} ms
  actions: {kinds}""")
    for what, holds in checks.items():
        print(f"{'ok' if holds else 'not ok'} {what}")
    if failed:
        print(f"to replay: make soak-admin DURATION={options.seconds:.0f} SEED={options.seed}"
              + (f' WITHOUT="{" ".join(sorted(without))}"' if without else ""))
    readings.is_over = True
    process.kill()
    sys.exit(failed)


if __name__ == "__main__":
    main()
