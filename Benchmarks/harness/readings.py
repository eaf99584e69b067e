"""The kernel's data about a process: processor time, memory, threads, wake-ups. Also the time when a file appears."""
import ctypes
import os
import select
import struct
import time

_libc = ctypes.CDLL(None, use_errno=True)


def cpu_seconds(pid):
    """Processor time of a process, threads that have ended included, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def memory(pid):
    """Private dirty memory (what the host cannot reclaim) and PSS, in KiB."""
    values = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            words = line.split()
            if words[0] in ("Private_Dirty:", "Pss:"):
                values[words[0]] = int(words[1])
    return values["Private_Dirty:"], values["Pss:"]


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def children(pid):
    """A process and all that descend from it."""
    found = [pid]
    for other in os.listdir("/proc"):
        if not other.isdigit():
            continue
        try:
            with open(f"/proc/{other}/stat") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            found += children(int(other))
    return found


def switches(pid):
    """Wake-ups of each thread: its voluntary context switches. A busy machine adds only involuntary ones."""
    counts = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status") as file:
                counts[thread] = sum(int(line.split()[1]) for line in file if line.startswith("voluntary"))
        except OSError:
            pass
    return counts


def switches_during(pid, seconds):
    """All wake-ups within so many seconds; looked at twice a second, for threads that come and go."""
    total, before = 0, switches(pid)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        after = switches(pid)
        total += sum(count - before.get(thread, 0) for thread, count in after.items())
        before = after
    return total


class Directory:
    """Reports files that are renamed into a directory (inotify(7))."""

    MOVED_TO = 0x80

    def __init__(self, path):
        self.descriptor = _libc.inotify_init1(os.O_CLOEXEC)
        if _libc.inotify_add_watch(self.descriptor, path.encode(), self.MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {path}")

    def wait(self, seconds):
        """The names that came, at once when there are some; none after so many seconds."""
        if not select.select([self.descriptor], [], [], max(0, seconds))[0]:
            return []
        data = os.read(self.descriptor, 1 << 20)
        names, offset = [], 0
        while offset < len(data):
            length = struct.unpack_from("iIII", data, offset)[3]
            names.append(data[offset + 16:offset + 16 + length].rstrip(b"\0").decode())
            offset += 16 + length
        return names

    def wait_for(self, name, seconds):
        """Whether `name` came in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if name in self.wait(end - time.monotonic()):
                return True
        return False

    def close(self):
        os.close(self.descriptor)
