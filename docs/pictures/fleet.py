"""fleet.py SERIES.json >fleet.svg: what a fleet asks of its authorization server, one panel a scenario.

`PLOT=docs/pictures/fleet.svg make fleet` makes the picture. `konexus-fleet --series` writes SERIES.json.
"""

import json
import math
import pathlib
import sys

from svg import Picture

LEFT, RIGHT, WIDTH, PANEL, GAP = 60, 16, 880, 100, 46
LOWEST = 0.1

fleet = json.loads(pathlib.Path(sys.argv[1]).read_text())
picture = Picture(WIDTH, 42 + len(fleet["loads"]) * (PANEL + GAP), f"make fleet: token requests a second of "
                  f"{fleet['hosts']} hosts, as multiples of the mean. "
                  + "; ".join(f"{load['name']}: at most {max(load['peaks']):.1f}" for load in fleet["loads"]))
title = f"{fleet['hosts']:,} hosts on one issuer: token requests a second, as multiples of the mean"
picture.text(8, 16, title, "strong")
picture.text(8, 34, "Each point is the busiest of its seconds. Red: the server is away.", "small")
for index, load in enumerate(fleet["loads"]):
    top = 42 + GAP - 20 + index * (PANEL + GAP)
    highest = max(10, *load["peaks"])

    def x(seconds):
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / load["seconds"]

    def y(value):
        return top + PANEL * (1 - math.log(max(value, LOWEST) / LOWEST) / math.log(highest / LOWEST))

    for begin, end in load["outages"]:
        picture.rect(x(begin), top, x(end) - x(begin), PANEL, "bad faint", 0)
    mark = LOWEST
    while mark <= highest * 1.001:
        picture.add("path", d=f"M{LEFT} {y(mark):.1f}H{WIDTH - RIGHT}", class_="line faint")
        picture.text(LEFT - 8, y(mark) + 4, f"{mark:g}", "small", "end")
        mark *= 10
    hours = load["seconds"] // 3600
    for hour in range(0, hours + 1, 4 if hours > 6 else 1):
        picture.text(x(hour * 3600), top + PANEL + 14, f"{hour} h", "small", "middle")
    step = load["seconds"] / len(load["peaks"])
    points = " ".join(f"{x(part * step):.0f} {y(value):.1f}" for part, value in enumerate(load["peaks"]))
    picture.add("polyline", points=points, class_="line", stroke="#4c86c6", style="stroke: #4c86c6")
    picture.text(LEFT, top - 6, f"{load['name']}: at most {max(load['peaks']):.1f}", "strong small")
print(picture, end="")
