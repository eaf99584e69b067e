"""availability.py DIRECTORY >availability.svg: which calls the API accepted, contender by contender.

`PLOT=docs/pictures/availability.svg make bench-availability` makes the picture of a new run. DIRECTORY has its files:
- availability.json: faults of the authorization server and of the administrator
- acceptance.json: tokens that the API stops accepting
"""

import json
import pathlib
import sys

from svg import Picture

LEFT, RIGHT, WIDTH, LANE = 220, 80, 880, 17
NO_TOKEN, EXCUSED = "#d99a2b", "#9aa4b0"
FILLS = {"absent": NO_TOKEN, "none": EXCUSED, "cold": EXCUSED}
# The daemon's settings of the second run, as they are named there.
NAMES = {
    "konexus-tokend, api_url and reports": "konexus-tokend, all checks", "konexus-tokend, neither": "…, key set only",
    "konexus-tokend, reports": "…, without api_url",
}


def group(name):
    """What a lane belongs to: a daemon, a language or a proxy."""
    return name.replace(",", "").split()[0]


def height(run):
    """The height of a run's part of the picture."""
    groups = len({group(lane["name"]) for lane in run["lanes"]})
    return 104 + LANE * len(run["lanes"]) + 6 * groups


def draw(picture, run, title, top):
    def x(seconds):
        return LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, min(seconds, run["seconds"])) / run["seconds"]

    picture.text(8, top + 14, title, "strong")
    picture.text(WIDTH - RIGHT + 8, top + 78, "of the time", "small")
    y = top + 78
    bottom = y + height(run) - 104
    for event in run["events"]:
        at, kind = event[:2]
        picture.add("path", d=f"M{x(at):.1f} {y - 5}V{bottom}", class_="line faint")
        picture.add("text", kind, x=x(at), y=y - 8, class_="small", transform=f"rotate(-35 {x(at):.1f} {y - 8})")
    previous = None
    for lane in run["lanes"]:
        if group(lane["name"]) != previous:
            y, previous = y + 6, group(lane["name"])
        picture.text(LEFT - 10, y + 11, NAMES.get(lane["name"], lane["name"]), anchor="end",
                     class_="strong" if previous == "konexus-tokend" else None)
        # What is accepted lies below, so that the shortest gap is still a pixel and a half.
        picture.rect(x(0), y, x(run["seconds"]) - x(0), LANE - 4, "good", 2)
        states = lane["states"] + [[run["seconds"], None]]
        for (begin, state), (end, _) in zip(states, states[1:]):
            if state != "accepted" and begin < run["seconds"]:
                picture.add("rect", x=x(begin), y=y, width=max(1.5, x(end) - x(begin)), height=LANE - 4,
                            class_=None if state in FILLS else "bad", fill=FILLS.get(state))
        picture.text(WIDTH - RIGHT + 8, y + 11, share(run, lane), "strong small")
        y += LANE
    for minute in range(0, int(run["seconds"] / 60) + 1):
        picture.text(x(minute * 60), y + 14, f"{minute} min", "small", "middle")


def share(run, lane):
    """The share of the time in which calls were accepted. It is cut off, so that 100 % means all."""
    times = {}
    for (begin, state), (end, _) in zip(lane["states"], lane["states"][1:] + [[run["seconds"], None]]):
        times[state] = times.get(state, 0) + max(0, end - begin)
    counted = sum(time for state, time in times.items() if FILLS.get(state) != EXCUSED)
    return f"{int(100_000 * times.get('accepted', 0) / counted) / 1000:.3f} %"


home = pathlib.Path(sys.argv[1])
day, api = (json.loads((home / name).read_text()) for name in ("availability.json", "acceptance.json"))
total = height(day) + height(api) + 62
drawn = Picture(WIDTH, total, "make bench-availability: the share of the time in which the API accepted calls. "
                + "; ".join(f"{lane['name']} {share(run, lane)}" for run in (day, api) for lane in run["lanes"]))
draw(drawn, day, f"One-hour tokens, compressed to {day['lifetime']} s: faults of the authorization server and of "
                 "the administrator", 4)
draw(drawn, api, "Tokens that the API stops accepting before they expire", height(day) + 12)
x, y = 8, total - 36
for class_, fill, label in (("good", None, "accepted"), ("bad", None, "rejected"), (None, NO_TOKEN, "no token"),
                            (None, EXCUSED, "a cold start, or no token that the API would accept: not counted")):
    drawn.add("rect", x=x, y=y, width=12, height=12, class_=class_, fill=fill)
    drawn.text(x + 18, y + 10, label, "small")
    x += 40 + 6 * len(label)
drawn.text(8, total - 6, f"A run of {day['machine']}; {day['versions'][0]}", "small")
print(drawn, end="")
