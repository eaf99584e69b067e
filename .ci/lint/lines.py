"""The length of lines, and of files in Swift."""

import pathlib
import re
import subprocess

LIMIT = 120
FILE_LIMIT = 400
ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIXES = {".swift", ".sh", ".bash", ".test", ".c", ".h", ".py"}
INTERPRETERS = re.compile(rb"#!.*\b(ba|da)?sh\b|#!.*\bpython3?\b")


def is_source(path):
    """Whether the file is Swift, shell, C or Python. Of files without a suffix, the first line decides.

    The fuzzer's inputs are data, even if they look like source code."""
    if "corpus" in path.parts:
        return False
    if path.suffix:
        return path.suffix in SUFFIXES
    with path.open("rb") as file:
        return bool(INTERPRETERS.match(file.readline(200)))


def faults_in(name, text):
    found = [
        f"{name}:{number}: {len(line)} columns, more than {LIMIT}"
        for number, line in enumerate(text.split("\n"), 1)
        if len(line) > LIMIT
    ]
    if name.endswith(".swift") and text.count("\n") > FILE_LIMIT:
        found.append(f"{name}: {text.count(chr(10))} lines, more than {FILE_LIMIT}")
    return found


def faults():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = []
    for name in sorted(listed.stdout.decode().split("\0")[:-1]):
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and is_source(path):
            found += faults_in(name, path.read_text(encoding="utf-8"))
    return found
