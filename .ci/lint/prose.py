"""Plain English: the rules of CONTRIBUTING.md that a program can check, in documents and in comments.

- A sentence has at most 25 words, and at most one colon or semicolon. Code counts as one word.
- No sentence stands in parentheses.
- The words of WORDS are not used.

A row of a table, an item of a list and a paragraph end each sentence. Blocks of code are left out.
"""

import pathlib
import re
import subprocess

import comments

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 25

# A word, and what stands in its place.
WORDS = {
    r"nobody|no one|somebody|someone|anybody|anyone|everybody|whoever|whomever": "name the user, group or program",
    r"tells?|told|telling": "report, show, log",
    r"its word|own word|in so many words": "response, message",
    r"for ever|forever": "without end, permanently",
    r"at the (least|most|latest|longest)": "at least, at most, no later than",
    r"to be had|be had|serves on|be it": "say it plainly",
    r"in (the|other|nobody else's) hands": "belongs to, is owned by",
    r"came dead|is from the future|unborn": "expired, not yet valid",
    r"former (run|token|process)s?": "previous run, previous token",
    r"good (token|one)s?": "valid token",
    r"all the same|all else|but for": "still, everything else, except",
    r"may be (read|written|readable|writable|changed)": "is readable, can be written",
    r"consumers?": "application, program",
    r"were the|had it|should it": "if",
    r"vouch(es|ed)?|believ(e|es|ed|ing)": "verify, trust",
    r"this very|the very": "leave it out",
    r"goes on|go on": "continues",
}
_WORDS = [(re.compile(rf"\b(?:{words})\b", re.IGNORECASE), advice) for words, advice in WORDS.items()]
_SENTENCE = re.compile(r"(?<!\.)[.!?][\"')*]*\s+")
_ASIDE = re.compile(r"(?:^|[.!?:]\s+)\([A-Z][^()]*[.!?]\)")


def markdown(text):
    """The blocks of prose: lists of lines with their numbers."""
    block, is_code = [], False
    for number, line in enumerate(text.split("\n"), 1):
        item = re.match(r"\s*(?:[-*>]|\d+\.)\s+", line)
        is_fence, is_row, is_heading = line.lstrip().startswith("```"), line.startswith("|"), line.startswith("#")
        if is_fence or is_code or is_row or is_heading or item or not line.strip():
            yield block
            block = []
        if is_fence:
            is_code = not is_code
        elif is_code or not block and line.startswith("    ") and not item:
            continue
        elif is_row:
            # Not at a bar in code, nor at an escaped one.
            for cell in re.split(r"(?<!\\)\|", re.sub(r"`[^`]*`", "`code`", line)):
                yield [(number, cell)]
        elif is_heading:
            yield [(number, line.lstrip("# "))]
        elif line.strip():
            block.append((number, line[item.end():] if item else line))
    yield block


def newest(text):
    """The newest section of a changelog, read as Markdown."""
    lines = text.split("\n")
    sections = [number for number, line in enumerate(lines) if line.startswith("## ")]
    return markdown("\n".join(lines[: sections[1]] if len(sections) > 1 else lines))


# A span of bold or underlined text in scdoc.
_SPAN = re.compile(r"\*[^*]+\*|(?<![\\\w])_[^*]+?(?<!\\)_(?!\w)")
_MANUAL_ITEM = re.compile(r"\s*[-.] |[\[|\]:][\[|\]<\-]? |#+ ")


def manual(text):
    """The blocks of a man page in scdoc. What is bold or underlined is read as code."""
    block, is_code, depth = [], False, 0
    for number, line in enumerate([*text.split("\n"), ""], 1):
        item = _MANUAL_ITEM.match(line)
        # The text of a term is indented further than the term.
        is_deeper, depth = len(line) - len(line.lstrip("\t")) > depth, len(line) - len(line.lstrip("\t"))
        if line.startswith("```") or item or is_deeper or is_code or not line.strip():
            # ++ breaks a line: it is a synopsis or an example.
            if not any(text.endswith("++") for _, text in block):
                yield block
            block = []
        if line.startswith("```"):
            is_code = not is_code
        elif not is_code:
            block.append((number, _SPAN.sub(lambda span: f"`{span.group()}`", line[item.end() :] if item else line)))


def settings(text):
    """The blocks of comments that begin with # and a space. What is indented further is code."""
    block = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        comment = re.match(r"\s*# (\d+\. |- )?(?! )(.*)", line)
        if not comment or comment[1]:
            yield block
            block = []
        if comment:
            block.append((number, comment[2]))


def help_texts(text):
    """The texts of --help in Swift: abstracts, the help of options, discussions.

    Indented lines are code. Lists of exit codes and defaults in parentheses are left out."""
    for found in re.finditer(r'(?:abstract: |help: |ArgumentHelp\(\s*)"([^"\n]+)"', text):
        yield [(text.count("\n", 0, found.start(1)) + 1, re.sub(r"\(default: .*", "", found[1]))]
    for found in re.finditer(r'discussion: """\n(.*?\n)( *)"""', text, re.DOTALL):
        first = text.count("\n", 0, found.start(1)) + 1
        # A list of exit codes ends with its paragraph.
        codes = re.compile(r"Exit codes:.*?(?=\n *\n|\Z)", re.DOTALL)
        discussion = codes.sub(lambda list: "\n" * list.group().count("\n"), found[1])
        block = []
        for number, line in enumerate(discussion.split("\n"), first):
            if not line.strip() or line.startswith(found[2] + " "):
                yield block
                block = []
            else:
                block.append((number, line.rstrip("\\ ")))


def masked(text):
    """The text with code and the targets of links crossed out. Its length stays, and so do offsets."""
    text = re.sub(r"`[^`]*`", lambda code: "x" * len(code.group()), text)
    return re.sub(r"(?<=\])\([^)]*\)", lambda target: "_" * len(target.group()), text)


def faults_in(name, text, blocks):
    found = []
    for block in blocks(text):
        starts, joined = [], ""
        for number, line in block:
            starts.append((len(joined), number))
            joined += line.strip() + " "
        joined = masked(joined)

        def at(offset, starts=starts):
            return f"{name}:{max(number for start, number in starts if start <= offset)}"

        for pattern, advice in _WORDS:
            found += [f"{at(use.start())}: '{use.group()}': {advice}" for use in pattern.finditer(joined)]
        found += [f"{at(aside.start())}: a sentence in parentheses" for aside in _ASIDE.finditer(joined)]
        start = 0
        for end in [match.end() for match in _SENTENCE.finditer(joined)] + [len(joined)]:
            sentence = re.sub(r"[*_]", "", joined[start:end])
            words = sum(any(map(str.isalnum, word)) for word in sentence.split())
            marks = len(re.findall(r"[:;](?=\s|$)", sentence))
            if words > LIMIT:
                found.append(f"{at(start)}: {words} words in a sentence, more than {LIMIT}: {sentence[:50].strip()}")
            if marks > 1:
                found.append(f"{at(start)}: {marks} colons and semicolons: {sentence[:50].strip()}")
            start = end
    return found


# What is checked beside the comments of source code, and how it is read.
DOCUMENTS = [
    (markdown, re.compile(r"(README|CONTRIBUTING|SECURITY|docs/[^/]+|config/examples/README)\.md")),
    (settings, re.compile(r"systemd/(examples/.*|[^/]*\.(service|socket))")),
    (settings, re.compile(r"config/([^/]*\.(ya?ml|toml)|Containerfile)")),
    (manual, re.compile(r"systemd/man/.*\.scd")),
    (help_texts, re.compile(r"Sources/konexus-(tokend|sandbox)/[^/]*\.swift")),
    (newest, re.compile(r"CHANGELOG\.md")),
]


def faults():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = []
    for name in sorted(listed.stdout.decode().split("\0")[:-1]):
        path = ROOT / name
        if not path.is_file() or path.is_symlink():
            continue
        readers = [blocks for blocks, pattern in DOCUMENTS if pattern.fullmatch(name)]
        if settings not in readers and (blocks := comments.reader(path)):
            readers.append(blocks)
        for blocks in readers:
            found += faults_in(name, path.read_text(encoding="utf-8"), blocks)
    return found
