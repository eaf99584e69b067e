"""The time from the last byte of the token response to the visible file, against a bare write and rename."""
import os
import signal
import subprocess
import time

from . import compiled, readings
from .report import Reading
from .single import NAME


def build():
    """The two programs in C; the reason if they cannot be made."""
    return compiled.build("harness/receive_probe.c", "-shared", "-fPIC") or compiled.build("harness/bare_write.c")


def measure(place, daemon, floor, rounds):
    """Returns five readings in seconds:
    - from the response to the visible file
    - from the creation of the first file, which holds the state
    - from the creation of the token's file
    - from the response to the visible file, of the C floor
    - a bare write and rename of the same bytes"""
    lines = _times(place, daemon, rounds, signal.SIGUSR1)
    floor_lines = _times(place, floor, rounds, None)
    token = os.path.join(place.path("visible"), NAME)
    bare = subprocess.run([compiled.path("bare_write.c"), place.path("bare"), token, "40"],
                          capture_output=True, text=True, check=True)

    def until_visible(lines, column):
        return Reading([(line[-1] - line[column]) / 1e9 for line in lines])

    return (*(until_visible(lines, column) for column in range(3)), until_visible(floor_lines, 0),
            Reading([int(line) / 1e9 for line in bare.stdout.split()]))


def _times(place, contender, rounds, refresh_signal):
    """The lines of the probe for each refresh: four times in nanoseconds.

    `refresh_signal`: what makes the contender refresh. Without one, it does that by itself."""
    directory, report = place.directory("visible"), place.path("probe")
    watch = readings.Directory(directory)
    process = contender.start(
        place, directory, refresh=2.2, extra={"LD_PRELOAD": compiled.path("receive_probe.c"), "RECEIVE_PROBE": report})
    watch.wait_for(NAME, 20)
    for _ in range(rounds):
        if refresh_signal:
            # One that is at rest: its thread has ended, as it has after half an hour.
            time.sleep(2.2)
            process.send_signal(refresh_signal)
        watch.wait_for(NAME, 20)
    time.sleep(0.2)
    place.stop(process)
    watch.close()
    with open(report) as file:
        # Not the first, which brings discovery and keys along.
        lines = [[int(word) for word in line.split()] for line in file][1:]
    os.unlink(report)
    return lines
