"""The harness' own programs in C."""
import os
import shutil
import subprocess

from . import stage


def build(source, *arguments):
    """Compiles a source beside this file to `path(source)`; the reason if that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        return "no C compiler"
    os.makedirs(stage.BUILT, exist_ok=True)
    built = subprocess.run(
        [compiler, "-O2", "-o", path(source), os.path.join(stage.ROOT, "Benchmarks", "harness", source), *arguments],
        capture_output=True, text=True)
    return built.stderr.strip() if built.returncode != 0 else None


def path(source):
    """Where it lies when it is built."""
    return os.path.join(stage.BUILT, os.path.splitext(source)[0])
