"""From the last byte of the token's answer to the file that readers see, against a bare write and rename of the same bytes."""
import os
import shutil
import signal
import statistics
import subprocess
import time

from . import readings, stage
from .single import NAME


def build():
    """The two programs in C; the reason if they cannot be made."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        return "no C compiler"
    os.makedirs(stage.BUILT, exist_ok=True)
    source = os.path.join(stage.ROOT, "Benchmarks", "harness")
    for arguments in (["-shared", "-fPIC", "-o", "receive_probe.so", os.path.join(source, "receive_probe.c")],
                      ["-o", "bare_write", os.path.join(source, "bare_write.c")]):
        built = subprocess.run([compiler, "-O2", *arguments], cwd=stage.BUILT, capture_output=True, text=True)
        if built.returncode != 0:
            return built.stderr.strip()
    return None


def measure(place, contender, rounds):
    """Median seconds: answer received to visible; of that the file's own part; a bare write and rename."""
    directory, report = place.directory("visible"), place.path("probe")
    watch = readings.Directory(directory)
    process = contender.start(
        place, directory,
        extra={"LD_PRELOAD": os.path.join(stage.BUILT, "receive_probe.so"), "RECEIVE_PROBE": report})
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
    bare = subprocess.run([os.path.join(stage.BUILT, "bare_write"), place.path("bare"), token, "40"],
                          capture_output=True, text=True, check=True)
    return (statistics.median(visible - received for received, _, visible in lines) / 1e9,
            statistics.median(visible - opened for _, opened, visible in lines) / 1e9,
            statistics.median(int(line) for line in bare.stdout.split()) / 1e9)
