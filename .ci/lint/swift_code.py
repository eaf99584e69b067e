"""What a line-based check needs to know about Swift: code without comments and strings, imports, types."""

import re

_TOKEN = re.compile(r'//[^\n]*|/\*|(#*)("""(?=[ \t]*\n)|")')
_IN_CODE = re.compile(r'//[^\n]*|/\*|(#*)("""(?=[ \t]*\n)|")|[()]')
_IN_COMMENT = re.compile(r"/\*|\*/")
_IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:struct|class|enum|actor|protocol|func|var|let|typealias)\s+)?(\w+)",
    re.MULTILINE,
)
_TYPE = re.compile(
    r"^(?:@\w+(?:\([^)]*\))?\s+)*"
    r"((?:(?:public|package|internal|open|final|indirect|nonisolated|private|fileprivate)\s+)*)"
    r"(?:struct|class|enum|actor|protocol|typealias)\s+(\w+)"
)


def code(text):
    """The text without comments and string literals, line by line. What strings interpolate is code."""
    out = []
    _code(text, 0, out, [], False)
    return "".join(out)


def comments(text):
    """The comments, each with its offset."""
    found = []
    _code(text, 0, [], found, False)
    return [(start, text[start:end]) for start, end in found]


def _code(text, start, out, comments, is_interpolation):
    """Copies code until its end, or the parenthesis that closes an interpolation. Returns the offset behind it.

    The start and the end of each comment are added to `comments`."""
    depth = 0
    pattern = _IN_CODE if is_interpolation else _TOKEN
    while found := pattern.search(text, start):
        out.append(text[start : found.start()])
        start = found.end()
        token = found.group()
        if token.startswith("//"):
            comments.append(found.span())
            continue
        if token == "/*":
            start = _comment(text, start, out)
            comments.append((found.start(), start))
        elif token[-1] == '"':
            start = _string(text, start, out, comments, found.group(1), found.group(2))
        elif token == "(":
            depth += 1
            out.append("(")
        elif token == ")":
            if depth == 0:
                out.append(" ")
                return start
            depth -= 1
            out.append(")")
    out.append(text[start:])
    return len(text)


def _comment(text, start, out):
    depth = 1
    begin = start
    while depth and (found := _IN_COMMENT.search(text, start)):
        depth += 1 if found.group() == "/*" else -1
        start = found.end()
    if depth:
        start = len(text)
    out.append("\n" * text.count("\n", begin, start))
    return start


def _string(text, start, out, comments, hashes, quotes):
    pattern = re.compile(rf'\\{hashes}(\(|.)|{quotes}{hashes}' + ("" if len(quotes) == 3 else r"|\n"), re.DOTALL)
    out.append(" ")
    while found := pattern.search(text, start):
        out.append("\n" * text.count("\n", start, found.start()))
        start = found.end()
        if found.group(1) == "(":
            start = _code(text, start, out, comments, True)
        elif found.group(1) is None:
            # An unterminated string ends with its line.
            out.append("\n" if found.group() == "\n" else " ")
            return start
        elif found.group(1) == "\n":
            out.append("\n")
    return len(text)


def imports(text):
    """The imported modules, each with its line."""
    stripped = code(text)
    return [(match.group(1), stripped.count("\n", 0, match.start(1)) + 1) for match in _IMPORT.finditer(stripped)]


def types(stripped):
    """The types that code declares at its top level, without those that are private to the file."""
    found = set()
    depth = 0
    for line in stripped.split("\n"):
        if depth == 0 and (match := _TYPE.match(line)) and "private" not in match.group(1):
            found.add(match.group(2))
        depth += line.count("{") - line.count("}")
    return found


def words(stripped):
    """The capitalized words of code, each with its first line."""
    found = {}
    for number, line in enumerate(stripped.split("\n"), 1):
        for word in re.findall(r"\b[A-Z]\w*", line):
            found.setdefault(word, number)
    return found
