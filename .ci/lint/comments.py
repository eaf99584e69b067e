"""The comments of source code, as blocks of prose: lists of lines with their numbers.

A comment is read as Markdown, so that items, blank lines and indented code separate sentences.
What two spaces separate is columns. Comments for tools, such as `MARK:`, are left out.
"""

import ast
import io
import re
import tokenize

import prose
import swift_code

_TOOL = re.compile(r"(MARK|swift-tools-version|swift-format-ignore|shellcheck|noqa|SPDX-[\w-]+)\b|!")
# `- Parameter name:` and its like stand before a sentence.
_FIELD = re.compile(r"^(\s*- )(?:Parameter )?\w+:(?: |$)")
# `name ARGUMENT...:` stands before what a shell function or a program does.
_USAGE = re.compile(r"^[a-z][\w./-]*(?: [\[(]?(?:--[a-z]|[A-Z]{2})[^: ]*)*: ")
# A comment, or a string that could contain its marks.
_C = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'|`[^`]*`""", re.DOTALL)
_SHELL = re.compile(r"""(?:^|(?<=\s))#+ [^\n]*|\\.|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""", re.MULTILINE)
_MAKEFILE = re.compile(r"(?:^|(?<=\s))##? [^\n]*", re.MULTILINE)
_MARKS = re.compile(r"///? ?|/\*[*!]? ?|#+ ?")


def _places(text, found):
    """The line and the column of comments, which are given by their offsets."""
    for start, comment in found:
        yield text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start) - 1, comment


def swift(text):
    return _places(text, swift_code.comments(text))


def c(text):
    found = [(match.start(), match.group()) for match in _C.finditer(text)]
    return _places(text, [(start, token) for start, token in found if token.startswith(("//", "/*"))])


def shell(text):
    found = [(match.start(), match.group()) for match in _SHELL.finditer(text)]
    return _places(text, [(start, token) for start, token in found if token.startswith("#")])


def makefile(text):
    """Comments, and the help of the targets, which stands behind ##."""
    return _places(text, [(match.start(), match.group()) for match in _MAKEFILE.finditer(text)])


def python(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("# "):
            yield *token.start, token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                docstring = node.body[0].value
                yield docstring.lineno, docstring.col_offset, ast.get_source_segment(text, docstring).strip('r"')


def _body(number, column, comment):
    """The lines of a comment with their numbers, without what marks them as a comment."""
    comment = comment.removesuffix("*/") if comment.startswith("/*") else comment
    for offset, line in enumerate(comment.split("\n")):
        if offset == 0:
            line = _MARKS.sub("", line, count=1) if _MARKS.match(line) else line
        else:
            line = re.sub(rf"^\s{{0,{column}}}(?: ?\* ?|   (?=\S))?", "", line)
        # Columns become cells, and comments for tools become empty.
        if re.search(r"[^\s.] {2,}\S", line):
            line = "| " + re.sub(r" {2,}", " | ", line.strip().replace("|", "/"))
        line = _USAGE.sub("", line) if offset == 0 else line
        yield number + offset, "" if _TOOL.match(line.strip()) else _FIELD.sub(r"\1", line.rstrip())


def blocks(read):
    """What reads the blocks of prose in a text. Comments on lines that follow each other are one text."""

    def blocks_in(text):
        code = text.split("\n")
        texts, continues = [], False
        for number, column, comment in sorted(read(text)):
            is_alone = not code[number - 1][:column].strip()
            if not (is_alone and continues and texts[-1][-1][0] + 1 == number):
                texts.append([])
            texts[-1] += _body(number, column, comment)
            continues = is_alone
        for body in texts:
            for block in prose.markdown("\n".join(line for _, line in body)):
                yield [(body[index - 1][0], line) for index, line in block]

    return blocks_in


_BY_SUFFIX = {
    ".swift": swift,
    **dict.fromkeys([".c", ".h", ".modulemap", ".go", ".mjs", ".cs"], c),
    **dict.fromkeys([".sh", ".bash", ".test", ".spec", ".toml", ".yml", ".yaml", ".conf"], shell),
    ".py": python,
}
_BY_FIRST_LINE = [(rb"#!.*\bpython3?\b", python), (rb"#!.*\b(ba|da)?sh\b", shell), (rb"#!.*\bmake\b", makefile)]


def reader(path):
    """What reads the comments of a file, by its name or its first line. `None` if it is not source code."""
    if "corpus" in path.parts:
        return None
    if path.name == "Makefile":
        return blocks(makefile)
    if path.suffix in _BY_SUFFIX:
        return blocks(_BY_SUFFIX[path.suffix])
    with path.open("rb") as file:
        first = file.readline(200)
    return next((blocks(read) for pattern, read in _BY_FIRST_LINE if re.match(pattern, first)), None)
