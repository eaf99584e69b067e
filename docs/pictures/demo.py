"""demo.py DIRECTORY >demo.svg: the timeline of one run of the demo, from what the run left in DIRECTORY.

`PLOT=docs/pictures/demo.svg make demo` makes the picture. The directory has:
- calls.log: each call of the application, with its time, HTTP status and checksum of the token
- requests.json, tokens.json: the records of the sandbox, whose requests are by the monotonic clock
- times: the start of the demo, the begin and end of the outage, and one moment by both clocks
"""

import base64
import json
import pathlib
import subprocess
import sys

from svg import Picture

LEFT, WIDTH, HEIGHT, RIGHT = 175, 880, 232, 20
home = pathlib.Path(sys.argv[1])
start, down, back, now, monotonic = map(float, (home / "times").read_text().split())
calls = [(float(time) - start, status) for time, status, _ in map(str.split, (home / "calls.log").open())]
length = max(time for time, _ in calls)


def x(seconds):
    return LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, min(seconds, length)) / length


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def checksum(token):
    return subprocess.run(["cksum"], input=token.encode(), capture_output=True, check=True).stdout.decode().split()[0]


read = {token for _, _, token in map(str.split, (home / "calls.log").open())}
# A request that the outage cut off got a token on the server, which never arrived.
issued = [token if checksum(token) in read else None for token in json.loads((home / "tokens.json").read_text())]
times = [request["time"] + now - monotonic - start for request in json.loads((home / "requests.json").read_text())
         if request["endpoint"] == "token"]
attempts = [(time, token is not None) for time, token in zip(times, issued) if time < length - 1]
tokens = [(time, claims(token)["exp"] - start, json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["kid"])
          for time, token in zip(times, issued) if token]
refused = sum(status != "200" for _, status in calls)

picture = Picture(WIDTH, HEIGHT, f"make demo: {len(calls)} calls with the token from the file, {refused} rejected, "
                                 f"although the authorization server was away for {back - down:.0f} s")
for label, y in (("authorization server", 34), ("token in the file", 84), ("requests of the daemon", 134),
                 ("calls of the application", 172)):
    picture.text(LEFT - 12, y, label, anchor="end")

picture.rect(x(0), 20, x(down - start) - x(0), 20, "good")
picture.rect(x(back - start), 20, x(length) - x(back - start), 20, "good")
picture.text((x(down - start) + x(back - start)) / 2, 34, "away", "bad strong", "middle")
picture.text(x(back - start) + 8, 34, "back, with another signing key", "on small")

keys = sorted({kid for _, _, kid in tokens}, key=[kid for _, _, kid in tokens].index)
for index, (time, expiry, kid) in enumerate(tokens):
    following = tokens[index + 1][0] if index + 1 < len(tokens) else length
    colour = ("even", "odd")[keys.index(kid) % 2]
    picture.rect(x(time) + 0.5, 70, x(following) - x(time) - 1, 20, colour)
    picture.rect(x(following), 92, max(0.0, x(min(expiry, length)) - x(following)), 4, f"{colour} faint", 0)
    if x(following) - x(time) > 60:
        picture.text(x(time) + 6, 84, f"token {index + 1}", "on small")
picture.text(x(0), 108, "thin: it would have been valid for longer", "small")

for time, succeeded in attempts:
    picture.add("circle", cx=x(time), cy=130, r=4.5, class_="good" if succeeded else "bad")
for time, status in calls:
    picture.add("rect", x=x(time) - 0.75, y=158, width=1.5, height=18, class_="good" if status == "200" else "bad")
picture.text(x(0), 196, f"{len(calls)} calls, {len(calls) - refused} accepted, {refused} rejected", "strong small")

picture.add("path", d=f"M{LEFT} 206H{WIDTH - RIGHT}", class_="line")
for second in range(0, int(length) + 1, 5):
    picture.add("path", d=f"M{x(second):.1f} 206v5", class_="line")
    picture.text(x(second), 224, f"{second} s", "small", "middle")
print(picture, end="")
