"""Links between the documents: the file exists, and has the heading."""

import re
import subprocess

import lines

_LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")


def anchors(text):
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def faults_in(root, name):
    text = (root / name).read_text(encoding="utf-8")
    found = []
    for link in _LINK.finditer(text):
        target, _, anchor = link[1].partition("#")
        path = (root / name).parent / target if target else root / name
        if re.match(r"[a-z]+:", target):
            continue
        if not path.exists():
            problem = "there is no such file"
        elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
            problem = "there is no such heading"
        else:
            continue
        found.append(f"{name}:{text.count(chr(10), 0, link.start()) + 1}: {link[1]}: {problem}")
    return found


def faults():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=lines.ROOT, capture_output=True, check=True).stdout.decode().split("\0")[:-1]
    return [fault for name in sorted(listed) if (lines.ROOT / name).exists() for fault in faults_in(lines.ROOT, name)]
