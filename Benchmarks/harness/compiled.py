"""The programs in C and in Go."""
import os
import shutil
import subprocess

from . import stage

SOURCES = os.path.join(stage.ROOT, "Benchmarks")


def build(source, *arguments):
    """Compiles a C source of Benchmarks to `path(source)`; the reason if that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        return "no C compiler"
    os.makedirs(stage.BUILT, exist_ok=True)
    built = subprocess.run(
        [compiler, "-O2", "-Wall", "-Wextra", "-o", path(source), os.path.join(SOURCES, source), *arguments],
        capture_output=True, text=True)
    return built.stderr.strip() if built.returncode != 0 else None


def build_go(directory, packages):
    """Compiles a Go program of Benchmarks with the libraries of Debian; the reason if that cannot be done."""
    if not shutil.which("go"):
        return "golang-go not installed"
    os.makedirs(stage.BUILT, exist_ok=True)
    built = subprocess.run(
        ["go", "build", "-o", path(directory), "."], capture_output=True, text=True,
        cwd=os.path.join(SOURCES, directory),
        env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
             "GOCACHE": os.path.join(stage.BUILT, "go-cache")})
    if built.returncode == 0:
        return None
    return f"{packages} not installed" if "cannot find package" in built.stderr else built.stderr.strip()


def path(source):
    """Where it lies when it is built."""
    return os.path.join(stage.BUILT, os.path.splitext(os.path.basename(source))[0])
