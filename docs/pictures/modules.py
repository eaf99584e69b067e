"""modules.py <PACKAGE.json >modules.svg: the targets of the daemon, and what each of them uses.

PACKAGE.json is the output of `swift package dump-package`. An arrow is left out if a longer way implies it. `make
pictures` makes the picture; `make lint` compares it with Package.swift.
"""

import json
import math
import re
import sys

from svg import Picture

WIDTH, ROW, BOX, GAP, HALF = 880, 60, 36, 172, 82
ROOT = "konexus-tokend"
PURPOSE = {
    "Base": "secrets, clocks, text", "TOML": "reader with positions", "HTTP": "libcurl client", "Files": "safe files",
    "Cryptography": "libcrypto", "Systemd": "notify, journal", "OAuth": "discovery, verification",
    "Settings": "the configuration", "Engine": "pure decisions about time", "Publication": "what is written",
    "Broker": "the shell around the engine", "Report": "status, check, inspect", ROOT: "commands, process",
}


def uses(manifest):
    """The direct dependencies of each target of the daemon. Targets of C, such as CCurl, are left out."""
    targets = {target["name"]: target for target in manifest["targets"] if not re.match("C[A-Z]", target["name"])}
    found, pending = {}, [ROOT]
    while pending:
        name = pending.pop()
        if name not in found:
            names = {next(iter(dependency.values()))[0] for dependency in targets[name]["dependencies"]}
            found[name] = sorted(names & targets.keys())
            pending += found[name]
    return found


def closure(graph, name):
    return set().union(*({other} | closure(graph, other) for other in graph[name]))


def longest(graph, name):
    """The longest way down from a target."""
    return [name, *max((longest(graph, other) for other in graph[name]), key=len, default=[])]


def picture(manifest):
    graph = uses(manifest)
    graph = {name: [other for other in others if not any(other in closure(graph, third) for third in others)]
             for name, others in graph.items()}
    # The longest way is a column in the middle. Each other target has a column of its own, beside the row below its
    # lowest user; the lower the nearer, alternating between left and right.
    chain = longest(graph, ROOT)
    row = {name: index for index, name in enumerate(chain)}
    aside = [name for name in graph if name not in row]
    for name in sorted(aside, key=lambda name: -len(closure(graph, name))):
        row[name] = 1 + max(row[user] for user in graph if name in graph[user] and user in row)
    column = dict.fromkeys(chain, 0)
    for index, name in enumerate(sorted(aside, key=lambda name: (-row[name], name))):
        column[name] = (index // 2 + 1) * (-1 if index % 2 else 1)
    middle = {name: WIDTH / 2 + GAP * column[name] for name in graph}
    top = {name: 8 + ROW * row[name] for name in graph}
    drawn = Picture(WIDTH, ROW * (len(chain) - 1) + BOX + 16, "The targets of konexus-tokend and what each uses")
    for name, others in sorted(graph.items()):
        for other in others:
            # Along the row of the upper one, then down; from a column aside down, then along the row of the lower one.
            start, end = (middle[name], top[name] + BOX), (middle[other], top[other])
            side = column[other] - column[name]
            if side and not column[name]:
                start = (middle[name] + math.copysign(HALF, side), top[name] + BOX * 0.7)
                drawn.arrow([start, (middle[other], start[1]), end])
            elif side:
                end = (middle[other] + math.copysign(HALF, -side), top[other] + BOX * (0.2 + 0.3 * abs(column[name])))
                drawn.arrow([start, (middle[name], end[1]), end])
            else:
                drawn.arrow([start, end])
    for name in sorted(graph):
        drawn.rect(middle[name] - HALF, top[name], 2 * HALF, BOX, "box", 5)
        drawn.text(middle[name], top[name] + 15, name, "in strong", "middle")
        drawn.text(middle[name], top[name] + 29, PURPOSE.get(name, ""), "in small", "middle")
    return str(drawn)


if __name__ == "__main__":
    print(picture(json.load(sys.stdin)), end="")
