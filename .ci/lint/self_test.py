"""The checks find what they should, in a small package."""

import pathlib
import tempfile
import unittest

import comments
import layers
import lines
import links
import prose
import swift_code

TOOLCHAIN = {"Glibc", "Testing"}


def manifest():
    def target(name, kind="regular", products=(), **more):
        by_name = [{"byName": [dependency, None]} for dependency in more.get("uses", ())]
        by_product = [{"product": [product, "package", None, None]} for product in products]
        return {"name": name, "type": kind, "dependencies": by_name + by_product}

    return {
        "targets": [
            target("CBase", "system"),
            target("Base", uses=["CBase"]),
            target("Broker", uses=["Base"], products=["Logging"]),
            target("the-program", "executable", uses=["Broker"]),
            target("BrokerTests", "test", uses=["Broker", "the-program"]),
        ]
    }


SOURCES = {
    "Sources/Base/Base.swift": "import CBase\nimport Glibc\npublic struct Moment {}\n",
    "Sources/Broker/Broker.swift": "internal import Base\nimport struct Logging.Logger\nstruct Broker { let a: Alpha }",
    "Sources/Broker/A/Alpha.swift": '/* Beta */\nstruct Alpha { let b = "Beta \\"Beta\\"" } // Beta\n',
    "Sources/Broker/B/Beta.swift": "struct Beta { let alpha: Alpha }\nprivate struct Twice {}\n",
    "Sources/Broker/A/Twice.swift": "private struct Twice {}\n",
    "Sources/the-program/main.swift": "@preconcurrency public import Broker\n",
    "Tests/BrokerTests/BrokerTests.swift": "import Testing\n@testable import Broker\n",
}


class Layers(unittest.TestCase):
    def faults(self, changes=None, package=None):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for path, text in {**SOURCES, **(changes or {})}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            return layers.faults_in(root, package or manifest(), TOOLCHAIN)

    def test_a_good_package(self):
        self.assertEqual(self.faults(), [])

    def test_an_undeclared_target(self):
        found = self.faults({"Sources/the-program/Wrong.swift": "\nimport Base\n"})
        self.assertEqual(
            found,
            ["Sources/the-program/Wrong.swift:2: the-program imports Base, which Package.swift does not declare"],
        )

    def test_an_undeclared_product(self):
        for statement in ["import NIO", "@testable import NIO", "private import class NIO.Loop"]:
            self.assertEqual(len(self.faults({"Sources/Base/Wrong.swift": statement})), 1, statement)

    def test_a_dependency_without_an_import(self):
        found = self.faults({"Sources/Base/Base.swift": "// import CBase\n"})
        self.assertEqual(found, ["Package.swift: Base declares CBase, which no file imports"])

    def test_a_cycle(self):
        interpolated = ['let b = "\\(Beta().x)"', 'let b = """\n  \\(f("x", Beta.x))\n  """']
        for use in ["let b: Beta", "func f(_: [Beta])", *interpolated]:
            (found,) = self.faults({"Sources/Broker/A/Wrong.swift": f"extension Alpha {{ {use} }}\n"})
            self.assertIn("Sources/Broker: folders in a cycle: A, B\n", found, use)
            self.assertIn("Sources/Broker/A/Wrong.swift:", found, use)

    def test_a_cycle_by_the_files_beside_the_folders(self):
        (found,) = self.faults({"Sources/Broker/A/Wrong.swift": "extension Broker {}\n"})
        self.assertIn("folders in a cycle: ., A", found)

    def test_a_name_of_two_folders_is_of_none(self):
        changes = {"Sources/Broker/C/Beta.swift": "enum Beta {}\n", "Sources/Broker/A/X.swift": "let b: Beta\n"}
        self.assertEqual(self.faults(changes), [])


class Code(unittest.TestCase):
    def test_lines_stay_where_they_are(self):
        text = 'a /* 1\n/* 2 */\n*/ b #"x" \\#(y) "# c """\n  d \\("e" + f(g)) "\n  """ h "\\\\" i // j\nk'
        stripped = swift_code.code(text)
        self.assertEqual(stripped.count("\n"), text.count("\n"))
        self.assertEqual(stripped.split(), ["a", "b", "y", "c", "+", "f(g)", "h", "i", "k"])


class Lines(unittest.TestCase):
    def test_a_long_line(self):
        self.assertEqual(lines.faults_in("x", "é" * 120 + "\n" + "é" * 120), [])
        self.assertEqual(lines.faults_in("x", "\n" + "a" * 121), ["x:2: 121 columns, more than 120"])

    def test_a_long_file(self):
        self.assertEqual(lines.faults_in("x.swift", "\n" * 400), [])
        self.assertEqual(lines.faults_in("x.swift", "\n" * 401), ["x.swift: 401 lines, more than 400"])
        self.assertEqual(lines.faults_in("x.test", "\n" * 401), [])


class Prose(unittest.TestCase):
    def faults(self, text, blocks=prose.markdown):
        return prose.faults_in("x", text, blocks)

    def test_a_long_sentence(self):
        self.assertEqual(self.faults("One " * 24 + "end. " + "Two `a b` " * 12 + "end."), [])
        (found,) = self.faults("# Title\nShort. "  + "one\n" * 26)
        self.assertTrue(found.startswith("x:2: 26 words in a sentence, more than 25: one one"), found)
        self.assertEqual(len(self.faults("**One" + " one" * 25 + ".** Two.")), 1)

    def test_items_and_cells_end_a_sentence(self):
        item = "one " * 20
        self.assertEqual(self.faults(f"{item}\n- {item}\n  {item[:16]}\n1. {item}\n\n| {item} | {item} |\n"), [])

    def test_code_is_left_out(self):
        self.assertEqual(self.faults("Type:\n\n```\nnobody: tells; " + "one " * 30 + "\n```\n    nobody\n"), [])
        self.assertEqual(self.faults("`nobody: tells; it`"), [])

    def test_colons(self):
        self.assertEqual(self.faults("One: two at 10:15, a::b. Three; four."), [])
        self.assertEqual(self.faults("One: two; three."), ["x:1: 2 colons and semicolons: One: two; three."])

    def test_words(self):
        (found,) = self.faults("First.\n\nFine\nNobody knows.")
        self.assertEqual(found, "x:4: 'Nobody': name the user, group or program")
        self.assertEqual(self.faults("A [link](docs/nobody.md)."), [])

    def test_a_sentence_in_parentheses(self):
        self.assertEqual(self.faults("Do it. (Check first.)"), ["x:1: a sentence in parentheses"])
        self.assertEqual(self.faults("Do it (after a check)."), [])

    def test_manual(self):
        text = "# NAME\n\n*key* = *a: b*\n\tA *c: d; e*.\n\tNobody.\n\n|  One: two\n:< Three: four\n\nfive: six: s++\n"
        self.assertEqual(self.faults(text, prose.manual), ["x:5: 'Nobody': name the user, group or program"])
        self.assertEqual(self.faults("```\nnobody\n```\n", prose.manual), [])

    def test_settings(self):
        text = "#!/bin/sh\n# One: two\n#   nobody\n# three; four.\nnobody # nobody\n#nobody = 1\n  # Nobody\n"
        self.assertEqual(self.faults(text, prose.settings), ["x:7: 'Nobody': name the user, group or program"])

    def test_help(self):
        discussion = '  Nobody\n    nobody\n  Exit codes: 0 a; 1 b\n  '
        text = f'abstract: "One: two; three.",\ndiscussion: """\n{discussion}""",\n@Flag(help: "Whoever")\n'
        found = [fault.split(":")[1] for fault in self.faults(text, prose.help_texts)]
        self.assertEqual(found, ["1", "7", "3"])

    def test_newest(self):
        text = "# Changelog\n\n## 2\n\nNobody.\n\n## 1\n\nNobody.\n"
        self.assertEqual(self.faults(text, prose.newest), ["x:5: 'Nobody': name the user, group or program"])


class Comments(unittest.TestCase):
    """Each text has the word that is not used in a string or in code, and then in comments on the lines given."""

    def lines(self, name, text, first=""):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / name
            path.write_text(first + text, encoding="utf-8")
            found = prose.faults_in("x", first + text, comments.reader(path))
        return [int(fault.split(":")[1]) for fault in found]

    def test_swift(self):
        text = 'let a = "// nobody \\(b /* nobody */)" + #""" nobody"# // Nobody\n/// Whoever\n'
        self.assertEqual(self.lines("x.swift", text), [1, 1, 2])
        self.assertEqual(self.lines("x.swift", "/// One: two;\n/// three.\nlet a: Int // Four: five.\n"), [1])
        self.assertEqual(self.lines("x.swift", "/// One: two.\n///\n/// Three: four.\n// MARK: Five: six\n"), [])

    def test_swift_fields_and_code(self):
        text = "/// One.\n/// - Parameter a: two: three.\n/// - Throws: four: five.\n///\n///     nobody\n"
        self.assertEqual(self.lines("x.swift", text), [])
        self.assertEqual(self.lines("x.swift", "/// One.\n/// - Returns: two: three: four.\n"), [2])

    def test_long_sentences(self):
        long = "one " * 20 + "\n"
        for name, mark in [("x.swift", "///"), ("x.swift", "//"), ("x.c", "//"), ("x.bash", "#"), ("Makefile", "#")]:
            self.assertEqual(self.lines(name, f"{mark} {long}{mark} {long}"), [1], name)
            self.assertEqual(self.lines(name, f"{mark} {long}{mark}\n{mark} {long}"), [], name)
            self.assertEqual(self.lines(name, f"{mark} {long}a = 1\n{mark} {long}"), [], name)

    def test_c(self):
        text = "char *a = \"/* nobody */\", b = '\"'; // Nobody\n/* Whoever\n * one: two: three.\n */\n"
        for name in ["x.c", "x.h", "module.modulemap", "x.go", "x.mjs", "x.cs"]:
            self.assertEqual(self.lines(name, text), [1, 2, 2], name)

    def test_shell(self):
        text = 'a="# nobody" b=\'# nobody\' c=${d#nobody} # Nobody\n# One: two;\n# three.\n'
        for name, first in [("x.test", ""), ("x", "#!/bin/bash\n"), ("x.yml", "")]:
            self.assertEqual(self.lines(name, text, first), [1 + bool(first), 2 + bool(first)], name)

    def test_usage(self):
        text = "# put FILE [MODE]: one: two.\n\n# One FILE: two: three.\n"
        self.assertEqual(self.lines("x.bash", text), [3])

    def test_columns(self):
        self.assertEqual(self.lines("x.bash", "# one    two: three\n# four   five: six\n"), [])

    def test_makefile(self):
        self.assertEqual(self.lines("Makefile", "a: b ## Nobody\n# One: two;\n# three.\nnobody:\n"), [1, 2])

    def test_python(self):
        text = '"""Nobody."""\na = "nobody # nobody"  # Nobody\n\ndef b():\n    """One: two;\n    three."""\n'
        for name, first in [("x.py", ""), ("x", "#!/usr/bin/python3\n")]:
            self.assertEqual(self.lines(name, text, first), [line + bool(first) for line in [1, 2, 5]], name)
        self.assertEqual(self.lines("x.py", 'nobody = """Nobody."""\n'), [])

    def test_other_files(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "LICENSE"
            path.write_text("# Nobody\n", encoding="utf-8")
            self.assertIsNone(comments.reader(path))


class Links(unittest.TestCase):
    def test_links(self):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "b.md").write_text("# First, `code`\n", encoding="utf-8")
            good = "[1](b.md) [2](#top) [3](b.md#first-code) ![4](https://example.org/x)\n"
            (root / "a.md").write_text(f"# Top\n{good}[5](c.md)\n[6](b.md#second)\n", encoding="utf-8")
            self.assertEqual(
                links.faults_in(root, "a.md"),
                ["a.md:3: c.md: there is no such file", "a.md:4: b.md#second: there is no such heading"],
            )


def faults():
    cases = (Layers, Code, Lines, Prose, Comments, Links)
    suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, cases))
    result = unittest.TestResult()
    suite.run(result)
    return [f"{test}: {text}" for test, text in result.failures + result.errors]
