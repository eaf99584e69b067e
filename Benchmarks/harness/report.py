"""The report: on standard output, and in `.build/bench/report.md`, with machine, versions and commit."""
import json
import os
import platform
import statistics
import subprocess
import time

from . import contenders, stage


class Reading:
    """The values of one measure. Its spread is that of the middle half of them."""

    def __init__(self, values):
        self.values = sorted(values)
        self.median = statistics.median(self.values)

    @property
    def spread(self):
        """The quartiles; the extremes of fewer than four values."""
        if len(self.values) < 4:
            return self.values[0], self.values[-1]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high


class Table:
    """A table for people."""

    def __init__(self, heads):
        self.rows = [heads]

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def __str__(self):
        widths = [max(len(row[column]) for row in self.rows) for column in range(len(self.rows[0]))]
        lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in self.rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(lines)


class Report:
    """What was measured, and the bars that it is held against."""

    def __init__(self, title):
        self.text = ""
        self.bars = []
        self._machine, self._versions = machine(), list(versions())
        self.add(f"# {title}\n\n{self._machine}\n\n" + "\n".join(f"- {line}" for line in self._versions))

    def add(self, *blocks):
        for block in blocks:
            print(f"{block}\n", flush=True)
            self.text += f"{block}\n\n"

    def bar(self, what, reading, limit, holds):
        """Holds a reading against its limit; `holds` is None if the other side is missing."""
        self.bars.append((what, reading, limit, holds))

    def compare(self, what, readings, show, equal):
        """A table of one measure. `readings` by the contenders' names, konexus-tokend first; None if there is none.

        `equal`: whether each does the same work, as words."""
        table = Table([what, "equal work", "median", "middle half", "konexus-tokend takes"])
        ours = next(iter(readings.values()))
        for name, reading in readings.items():
            if reading is None:
                table.add(name, equal.get(name, ""), "-", "", "")
                continue
            times = f"{ours.median / reading.median:.2f} x" if ours and reading.median else ""
            spread = " to ".join(map(show, reading.spread)) if len(reading.values) > 1 else ""
            table.add(name, equal.get(name, ""), show(reading.median), spread,
                      "" if reading is ours else times)
        self.add(table)

    def save(self, name, run):
        """Writes a run to `.build/bench/NAME.json`, with its machine and versions, for docs/pictures."""
        os.makedirs(stage.BUILT, exist_ok=True)
        with open(os.path.join(stage.BUILT, name + ".json"), "w") as file:
            json.dump({"machine": self._machine, "versions": self._versions, **run}, file)

    def finish(self, path):
        """Shows the bars, writes the file, and returns the names of those that are missed."""
        if self.bars:
            table = Table(["bar", "reading", "limit", "holds"])
            for what, reading, limit, holds in self.bars:
                table.add(what, reading, limit, verdict(holds))
            self.add("## Bars", table)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(self.text)
        print(f"report: {os.path.relpath(path, stage.ROOT)}")
        return [what for what, _, _, holds in self.bars if holds is False]


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return (f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores of {model}, load {os.getloadavg()[0]:.1f}, "
            f"Linux {platform.release().split('-')[0]}")


def versions():
    """The commit, and the versions of what takes part."""
    def output(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, cwd=stage.ROOT).stdout.strip()
        except OSError:
            return ""
    commit = output("git", "rev-parse", "--short=12", "HEAD")
    changed = " and changes" if output("git", "status", "--porcelain", "--untracked-files=no") else ""
    yield f"commit {commit or 'unknown'}{changed}"
    yield f"konexus-tokend {output(stage.DAEMON, '--version') or 'unknown'}"
    names = ["libcurl4", "libssl3", "curl", "jq", "golang-go", "golang-golang-x-oauth2-dev",
             "golang-github-coreos-go-oidc-dev", "python3", "python3-requests", "python3-jwt", "libjansson4",
             "oidc-agent-cli"]
    found = output("dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *names)
    envoy = output(contenders.envoy(), "--version").partition("version: ")[2].split("/")
    yield ", ".join([*found.splitlines(), *(f"envoy {envoy[1]}" for _ in envoy[1:2])])


def verdict(holds):
    """Whether a bar holds, as a word; a dash where the other side is missing."""
    return "-" if holds is None else "yes" if holds else "NO"


def ratio(ours, theirs):
    """How many times theirs ours is."""
    return "-" if ours is None or not theirs else f"{ours / theirs:.3g} x"


def milliseconds(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.3g} ms"


def microseconds(seconds):
    return "-" if seconds is None else f"{seconds * 1e6:.0f} us"


def mebibytes(kibibytes):
    return "-" if kibibytes is None else f"{kibibytes / 1024:.2f} MiB"


def kibibytes(count):
    return f"{count / 1024:.1f} KiB"
