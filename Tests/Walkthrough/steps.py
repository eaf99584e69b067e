"""steps.py DOCUMENT DIRECTORY: writes each block of commands of a document into DIRECTORY, in their order.

NUMBER.console.N           one command of a block of console lines, without the prompt
NUMBER.console.N.expected  the output that the document shows below it, if any
NUMBER.sh, NUMBER.python   a block of shell or Python
NUMBER.file                the content of a file
NUMBER.file.path           where the text before it says to save the file ("save this as")

NUMBER counts the blocks of the document. Blocks of other kinds are left out.
"""

import pathlib
import re
import sys

document, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
text = document.read_text(encoding="utf-8")
fences = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
for number, fence in enumerate(fences, 1):
    kind, content = fence.groups()
    name = directory / f"{number:02}.{kind}"
    if kind == "console":
        for count, command in enumerate(re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", content, re.MULTILINE), 1):
            name.with_suffix(f".console.{count}").write_text(command[0] + "\n", encoding="utf-8")
            if command[1]:
                name.with_suffix(f".console.{count}.expected").write_text(command[1], encoding="utf-8")
    elif kind in ("sh", "python"):
        name.write_text(content, encoding="utf-8")
    paragraph = text[text.rindex("\n\n", 0, fence.start() - 1):fence.start()]
    if saved := re.search(r"save\s+this\s+as\s+`([^`]+)`", paragraph):
        name.with_suffix(".file").write_text(content, encoding="utf-8")
        name.with_suffix(".file.path").write_text(saved.group(1) + "\n", encoding="utf-8")
