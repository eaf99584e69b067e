"""Layering: what targets import, and how the folders of a target depend on each other.

Package.swift must declare each module that a target imports, and nothing else. SwiftPM rejects cycles of targets. It
allows an import that another target brought along, and a dependency that no file imports.

Folders of a target must not depend on each other in a cycle; the files beside the folders are a folder too. A folder
depends on another one if its code has the name of a type that only the other one declares. Members of extensions and
types that are never named escape this check.
"""

import collections
import json
import os
import pathlib
import subprocess

import swift_code

ROOT = pathlib.Path(__file__).resolve().parents[2]


def manifest():
    # With this variable, Package.swift has the target of make fuzz too.
    everything = {**os.environ, "KONEXUS_LIBFUZZER": "none"}
    dump = [os.environ.get("SWIFT", "swift"), "package", "dump-package"]
    return json.loads(subprocess.run(dump, cwd=ROOT, env=everything, capture_output=True, check=True).stdout)


def faults():
    swift = os.environ.get("SWIFT", "swift")
    info = subprocess.run([swift, "-print-target-info"], capture_output=True, check=True)
    libraries = pathlib.Path(json.loads(info.stdout)["paths"]["runtimeLibraryPaths"][0])
    toolchain = {path.stem for path in libraries.glob("*.swiftmodule")}
    return faults_in(ROOT, manifest(), toolchain)


def faults_in(root, manifest, toolchain):
    kinds = {target["name"]: target["type"] for target in manifest["targets"]}
    found = []
    for target in manifest["targets"]:
        if target["type"] == "system":
            continue
        default = f"{'Tests' if target['type'] == 'test' else 'Sources'}/{target['name']}"
        directory = root / (target.get("path") or default)
        files = {path: path.read_text(encoding="utf-8") for path in sorted(directory.rglob("*.swift"))}
        found += import_faults(root, target, files, kinds, toolchain)
        found += cycle_faults(root, directory, files)
    return found


def module(name):
    """The module of a target or product. SwiftPM replaces what no identifier can hold."""
    return name.replace("-", "_")


def import_faults(root, target, files, kinds, toolchain):
    declared = {}
    for dependency in target["dependencies"]:
        name = next(iter(dependency.values()))[0]
        declared[module(name)] = name
    found, used = [], set()
    for path, text in files.items():
        for name, line in swift_code.imports(text):
            used.add(name)
            if name not in declared and name not in toolchain:
                found.append(
                    f"{path.relative_to(root)}:{line}: {target['name']} imports {name}, "
                    "which Package.swift does not declare"
                )
    for name in sorted(set(declared) - used):
        # A test that starts a program depends on it, to have it built.
        if kinds.get(declared[name]) != "executable":
            found.append(f"Package.swift: {target['name']} declares {declared[name]}, which no file imports")
    return found


def cycle_faults(root, directory, files):
    stripped = {path: swift_code.code(text) for path, text in files.items()}
    owners = collections.defaultdict(set)
    for path, text in stripped.items():
        for name in swift_code.types(text):
            owners[name].add(path.parent)
    uses = collections.defaultdict(list)
    for path, text in stripped.items():
        for word, line in swift_code.words(text).items():
            if len(owners[word]) == 1 and path.parent not in owners[word]:
                (owner,) = owners[word]
                uses[path.parent, owner].append((path, line, word))

    def show(folder):
        return str(folder.relative_to(directory)) if folder != directory else "."

    found = []
    for cycle in cycles({folder: {to for origin, to in uses if origin == folder} for folder, _ in uses}):
        lines = [f"{directory.relative_to(root)}: folders in a cycle: {', '.join(sorted(map(show, cycle)))}"]
        edges = [(edge, places) for edge, places in uses.items() if set(edge) <= cycle]
        for (origin, to), places in sorted(edges, key=lambda edge: len(edge[1])):
            lines.append(f"  {show(origin)} -> {show(to)}: {len(places)} uses")
            for path, line, word in places[:3]:
                lines.append(f"    {path.relative_to(root)}:{line}: {word}")
        found.append("\n".join(lines))
    return found


def cycles(graph):
    """The strongly connected components of more than one node."""
    def reachable(start):
        seen, pending = set(), [start]
        while pending:
            for node in graph.get(pending.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    pending.append(node)
        return seen

    reach = {node: reachable(node) for node in graph}
    components = {frozenset(other for other in reach[node] if node in reach.get(other, ())) for node in graph}
    return sorted((set(component) for component in components if len(component) > 1), key=lambda nodes: str(min(nodes)))
