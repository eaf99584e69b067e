"""How fast whole hosts are simulated: the program of `make simulate`."""
import os
import subprocess
import time

from . import stage
from .report import Reading

PROGRAM = os.path.join(stage.RELEASE, "konexus-simulate")


def rates(rounds, lives):
    """Lives a second, by number of threads: by the clock, and by processor time, to which a busy machine adds little.

    One thread and all cores take turns. None if the program is not built."""
    if not os.path.exists(PROGRAM):
        return None
    found = {threads: ([], []) for threads in sorted({1, os.cpu_count()})}
    for _ in range(rounds):
        for threads, (by_clock, by_processor) in found.items():
            begin = time.monotonic()
            # All rounds have the same lives, as one life can be ten times as long as another.
            process = subprocess.Popen([PROGRAM, "--lives", str(lives), "--base", "1", "--threads", str(threads)],
                                       stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"konexus-simulate ended with {process.returncode}")
            by_clock.append(lives / (time.monotonic() - begin))
            by_processor.append(lives / (usage.ru_utime + usage.ru_stime))
    return {threads: tuple(map(Reading, values)) for threads, values in found.items()}
