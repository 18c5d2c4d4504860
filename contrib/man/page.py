#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the manual page of a noun of the library from its header, in the format of scdoc.

The header is the manual: its comments have the form of kernel-doc, and the page says what they
say. EXAMPLE is the program that the page shows.

usage: page.py HEADER EXAMPLE SEE_ALSO
"""
import pathlib
import re
import sys

COMMENT = re.compile(r"/\*\*\n(.*?)\n \*/\n(.*?)(?=\n\n|\Z)", re.S)
FIELD = re.compile(r"@(\w+):\s+(.*)")
ERROR = re.compile(r"(-E\w+(?:, -E\w+)*),?\s*(.*)")


class Entry:
    """A comment, and the declaration behind it."""

    def __init__(self, comment, declaration):
        lines = [re.sub(r"^ \* ?", "", line) for line in comment.splitlines()]
        title = re.match(r"(?:struct |enum |DOC: )?([\w ]+?)(\(\))?(?: - (.*))?$", lines[0])
        self.name, self.is_function, self.brief = title.groups()
        self.kind = lines[0].split()[0]
        self.declaration = declaration.partition(";")[0] + ";"
        self.fields, self.paragraphs, self.returns, self.errors = [], [], [], []
        self.read(lines[1:])

    def read(self, lines):
        """Sorts the lines into parameters, paragraphs, what is returned, and errors."""
        into = None
        for line in lines:
            field, error = FIELD.match(line), ERROR.match(line)
            if line.startswith(("Since:", "Threads:", "Ownership")):
                into = self.begin(self.paragraphs, line)
            elif line.startswith("Return:"):
                into = self.begin(self.returns, line[len("Return:"):])
            elif field and not self.paragraphs:
                into = field.groups()
                self.fields.append([into[0], into[1]])
                into = self.fields[-1]
            elif error and self.returns:
                self.errors.append([error[1], error[2]])
                into = self.errors[-1]
            elif not line.strip():
                into = None
            elif into is None:
                into = self.begin(self.returns if self.returns else self.paragraphs, line)
            else:
                into[-1] += " " + line.strip()

    @staticmethod
    def begin(paragraphs, line):
        paragraphs.append([line.strip()])
        return paragraphs[-1]


def text(words):
    """Prose: what the header marks is marked, and nothing else is taken for a mark."""
    words = re.sub(r"\s+", " ", words).strip()
    words = words.replace("\\", "\\\\").replace("_", "\\_").replace("*", "\\*")
    words = re.sub(r"@(\w[\w\\]*)", r"_\1_", words)
    words = re.sub(r"\b(shmfs\\_[\w\\]+?)\(\)", r"*\1*()", words)
    words = re.sub(r"\b([a-z]\w+)\((\d)\)", r"*\1*(\2)", words)
    return re.sub(r"\b(SHMFS\\_[\w\\]+)", r"*\1*", words)


def synopsis(declaration):
    words = re.sub(r"\s+", " ", declaration).replace("*", "\\*").replace("_", "\\_")
    return "*" + words + "*"


def sentence(words):
    """A brief description or a field, as a sentence."""
    words = words[:1].upper() + words[1:]
    return words if words.endswith(".") else words + "."


def tell(entry):
    if entry.brief:
        yield text(sentence(entry.brief)) + "\n"
    for name, words in entry.fields:
        # text() marks a constant by itself.
        label = text(name) if name.startswith("SHMFS_") else f"_{text(name)}_"
        yield f"{label}\n\t{text(sentence(words))}\n"
    for (words,) in entry.paragraphs:
        yield text(words) + "\n"


def page(entries, noun, example, see_also):
    functions = [e for e in entries if e.is_function]
    doc = next(e for e in entries if e.kind == "DOC:")
    names = ", ".join(f"shmfs_{noun} {' '.join(e.name for e in functions)}".split())
    yield f"shmfs_{noun}(3)\n\n; SPDX-License-Identifier: MIT\n\n# NAME\n"
    yield f"{names} - {doc.name}\n\n# SYNOPSIS\n"
    yield f"*\\#include <shmfs/{noun}.h>*\n"
    for entry in entries:
        if entry.declaration.startswith("typedef") and "(" in entry.declaration:
            yield synopsis(entry.declaration) + "\n"
    for entry in functions:
        yield synopsis(entry.declaration) + "\n"
    yield "# DESCRIPTION\n"
    yield from (text(words) + "\n" for (words,) in doc.paragraphs)
    for entry in entries:
        if entry.kind == "DOC:":
            continue
        heading = entry.name + ("()" if entry.is_function else "")
        kind = entry.kind + " " if entry.kind in ("struct", "enum") else ""
        yield f"## {kind}{heading}\n"
        yield from tell(entry)
        if not entry.is_function:
            yield from (text(f"Returns {words}") + "\n" for (words,) in entry.returns)
    yield "# RETURN VALUE\n"
    for entry in functions:
        yield f"## {entry.name}()\n"
        for (words,) in entry.returns or [["nothing."]]:
            yield text(sentence(words.rstrip(":"))) + "\n"
    yield "# ERRORS\n"
    for entry in functions:
        if entry.errors:
            yield f"## {entry.name}()\n"
        for errors, words in entry.errors:
            yield f"*{errors}*\n\t{text(sentence(words))}\n"
    source = example.replace("\\", "\\\\").expandtabs(8)
    yield f"# EXAMPLE\n\n```\n{source}```\n\n# SEE ALSO\n\n{see_also}"


def main():
    header, example = map(pathlib.Path, sys.argv[1:3])
    entries = [Entry(*found) for found in COMMENT.findall(header.read_text())]
    source = example.read_text()
    source = source[source.index("#include"):]
    see_also = ", ".join(re.sub(r"^([\w-]+)\((\d)\)$", r"*\1*(\2)", name)
                         for name in sys.argv[3].split())
    print("\n".join(page(entries, header.stem, source, see_also)))


if __name__ == "__main__":
    main()
