"""lint CHECK...: checks of the sources, beside `swift format lint`. Without arguments, all.

lines      no line of Swift, shell, C or Python over 120 columns, no Swift file over 400 lines
layers     Package.swift declares what each target imports; no cycles between the folders of a target
prose      plain English in documents and comments: the length of sentences, and words to avoid
links      links between documents lead to a file and a heading
pictures   the pictures that are made from sources are up to date
self-test  the checks find what they should
"""

import sys

import layers
import lines
import links
import pictures
import prose
import self_test

CHECKS = {
    "lines": lines.faults,
    "layers": layers.faults,
    "prose": prose.faults,
    "links": links.faults,
    "pictures": pictures.faults,
    "self-test": self_test.faults,
}


def main(names):
    if unknown := [name for name in names if name not in CHECKS]:
        print(f"lint: no such check: {' '.join(unknown)}\n\n{__doc__}", file=sys.stderr, end="")
        return 64
    failed = False
    for name in names or CHECKS:
        found = CHECKS[name]()
        for fault in found:
            print(fault)
        if found:
            print(f"lint {name}: {len(found)} faults", file=sys.stderr)
            failed = True
    return int(failed)


sys.exit(main(sys.argv[1:]))
