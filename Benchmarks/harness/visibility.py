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


def measure(place, contender, rounds):
    """Returns four readings in seconds:
    - from the response to the visible file
    - from the creation of the first file, which holds the state
    - from the creation of the token's file
    - a bare write and rename of the same bytes"""
    directory, report = place.directory("visible"), place.path("probe")
    watch = readings.Directory(directory)
    process = contender.start(
        place, directory,
        extra={"LD_PRELOAD": compiled.path("receive_probe.c"), "RECEIVE_PROBE": report})
    watch.wait_for(NAME, 20)
    for _ in range(rounds):
        # One that is at rest: its thread has ended, as it has after half an hour.
        time.sleep(2.2)
        process.send_signal(signal.SIGUSR1)
        watch.wait_for(NAME, 20)
    time.sleep(0.2)
    place.stop(process)
    watch.close()
    with open(report) as file:
        # Not the first, which brings discovery and keys along.
        lines = [[int(word) for word in line.split()] for line in file][1:]
    token = os.path.join(directory, NAME)
    bare = subprocess.run([compiled.path("bare_write.c"), place.path("bare"), token, "40"],
                          capture_output=True, text=True, check=True)

    def until_visible(column):
        return Reading([(line[-1] - line[column]) / 1e9 for line in lines])

    return *map(until_visible, range(3)), Reading([int(line) / 1e9 for line in bare.stdout.split()])
