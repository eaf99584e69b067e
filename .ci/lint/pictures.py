"""The pictures that are made from sources are up to date. docs/pictures/demo.svg is a run of the demo, not checked."""

import json
import subprocess
import sys

import layers

FOLDER = layers.ROOT / "docs/pictures"


def pictures():
    """What each script makes now, by the picture's name."""
    unit = (layers.ROOT / "systemd/konexus-tokend.service").read_text(encoding="utf-8")
    for script, name, source in (
        ("modules.py", "modules.svg", json.dumps(layers.manifest())),
        ("boundaries.py", "trust-boundaries.svg", unit),
    ):
        command = [sys.executable, FOLDER / script]
        yield name, subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def faults():
    return [
        f"docs/pictures/{name}: out of date. -> make pictures"
        for name, text in pictures()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    for name, text in pictures():
        (FOLDER / name).write_text(text, encoding="utf-8")
