#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages of the library say what its headers promise, and their examples work.

The pages are looked at as a reader sees them, rendered by mandoc(1): each has the synopsis,
the names and the errors that the headers have, mandoc finds no fault with them, and the
program under EXAMPLE is compiled with the library and run. To be run in a sandbox.

usage: test-manual.py MAN_DIR INCLUDE_DIR LIBRARY COMPILER...
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
NOUNS = ("barrier", "condition", "filelock", "heap", "mutex", "object", "once", "pointer", "queue",
         "region", "ring", "rwlock", "semaphore", "sysv", "wait")
pages = pathlib.Path()
headers = pathlib.Path()
compiler = []

# What the examples are given, one run after the other, and what they print.
RUNS = {
    "shmfs_object": (([], "example: 4096 bytes\n"),),
    "shmfs_region": (([], "world\n"),),
    "shmfs_sysv": (([], "1\n"), ([], "2\n"), ([], "3\n"), ([], "1\n")),
    "libshmfs": ((["Hello"], ""), ([], "Hello\n")),
    "shmfs_heap": ((["one", "two"], ""), ([], "two\none\n")),
    "shmfs_mutex": ((["send", "one"], ""), (["receive", "1"], "one\n")),
    "shmfs_condition": ((["send", "two"], ""), (["receive", "1"], "two\n")),
    "shmfs_pointer": ((["one", "two"], ""), ([], "two\none\n")),
    "shmfs_semaphore": ((["echo in"], "in\n"), (["echo again"], "again\n")),
    "shmfs_barrier": ((["1", "echo together"], "together\n"), (["1", "echo again"], "again\n")),
    "shmfs_rwlock": ((["set", "one"], ""), (["get"], "one\n"), (["set", "two"], ""),
                     (["get"], "two\n")),
    "shmfs_queue": ((["send", "0", "later"], ""), (["send", "9", "first"], ""),
                    (["receive"], "first\nlater\n")),
    "shmfs_ring": ((["send", "one", "two"], ""), (["receive"], "one\ntwo\n")),
    "shmfs_filelock": ((["file", "echo in"], "in\n"), (["file", "echo again"], "again\n")),
    "shmfs_once": ((["one"], "one\n"), (["two"], "one\n")),
    "shmfs_wait": ((["send", "a", "one", "two"], ""), (["send", "b", "three"], ""),
                   (["receive", "3", "a", "b"], "one\nthree\ntwo\n")),
}


def rendered(page, section=3, width=200):
    text = subprocess.run(["mandoc", "-T", "ascii", "-O", f"width={width}",
                           pages / f"{page}.{section}"],
                          check=True, capture_output=True, text=True).stdout
    return re.sub(".\b", "", text)


def sections(text):
    """The text of each section, by its heading."""
    parts = re.split(r"^([A-Z][A-Z ]+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def words(text):
    return " ".join(text.split())


def header(noun):
    return (headers / "shmfs" / (noun + ".h")).read_text()


def code(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def declarations(noun):
    """The functions and the types of functions that a header declares, each on one line."""
    found = re.findall(r"^(?!#)\w[^;{}]*\bshmfs_[^;{}]*\([^;{}]*\);", code(header(noun)), re.M)
    # How a number is aligned is no function.
    return {words(declaration) for declaration in found if "__attribute__" not in declaration}


def functions(noun):
    return set(re.findall(r"^[a-z][^;{}=()]*\b(shmfs_\w+)\(", code(header(noun)), re.M))


def constants(noun):
    """Values of enumerations, macros, and the types that are no functions."""
    text = code(header(noun))
    found = set(re.findall(r"^\t(SHMFS_\w+),", text, re.M))
    found |= set(re.findall(r"^#define (SHMFS_\w+)[ (]", text, re.M))
    return found | set(re.findall(r"^(?:enum|struct) (shmfs_\w+)(?=;| \{)", text, re.M))


def documented_errors(noun):
    """The errnos that the header has for each function."""
    errors = {}
    for comment, name in re.findall(r"/\*\*\n \* \w+\(\)(.*?)\*/\n[^;]*?\b(shmfs_\w+)\(",
                                    header(noun), re.S):
        returns = comment.partition("Return:")[2]
        lines = re.findall(r"^ \* +?((?:-E\w+(?:, )?)+)", returns, re.M)
        errors[name] = set(re.findall(r"-E\w+", " ".join(lines)))
    return {name: found for name, found in errors.items() if found}


def page_errors(text):
    """The errnos that the section ERRORS of a page has for each function."""
    parts = re.split(r"^   (shmfs_\w+)\(\)$", text, flags=re.M)
    lines = {name: " ".join(re.findall(r"^ +(-E[A-Z0-9, -]+)$", part, re.M))
             for name, part in zip(parts[1::2], parts[2::2])}
    return {name: set(re.findall(r"-E\w+", found)) for name, found in lines.items()}


class Pages(unittest.TestCase):
    def test_lint(self):
        linted = [page for page in sorted(pages.glob("*.[13]"))
                  if not page.read_text().startswith(".so ")]
        self.assertGreaterEqual(len(linted), len(RUNS))
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *linted],
                              check=False, capture_output=True, text=True)
        # scdoc begins a paragraph wherever one might be needed, and newer ones escape the date.
        faults = [line for line in done.stdout.splitlines()
                  if not re.search("skipping paragraph macro|cannot parse date", line)]
        self.assertEqual(faults, [])

    def test_synopsis(self):
        for noun in NOUNS:
            synopsis = sections(rendered("shmfs_" + noun))["SYNOPSIS"]
            shown = {words(part) for part in re.split(r"\n\s*\n", synopsis)}
            shown = {part for part in shown if part and not part.startswith("#include")}
            self.assertGreater(len(shown), 1)
            self.assertEqual(shown, declarations(noun), noun)

    def test_names(self):
        for noun in NOUNS:
            name = words(sections(rendered("shmfs_" + noun))["NAME"]).partition(" - ")[0]
            self.assertEqual(set(name.split(", ")), {"shmfs_" + noun} | functions(noun))

    def test_each_function_is_told_of(self):
        for noun in NOUNS:
            page = sections(rendered("shmfs_" + noun))
            for name in functions(noun):
                self.assertRegex(page["DESCRIPTION"], rf"(?m)^   {name}\(\)$")
                self.assertRegex(page["RETURN VALUE"], rf"(?m)^ +{name}\(\)$")

    def test_each_constant_is_told_of(self):
        for noun in NOUNS:
            page = rendered("shmfs_" + noun)
            for name in constants(noun):
                self.assertRegex(page, rf"\b{name}\b", noun)
        for name in re.findall(r"^#define (SHMFS_VERSION\w+)", header("shmfs"), re.M):
            self.assertIn(name, rendered("libshmfs"))

    def test_nothing_else_is_told_of(self):
        known = {"shmfs_" + noun for noun in NOUNS} | {"shmfs_shm"}
        for noun in NOUNS:
            known |= functions(noun) | constants(noun)
            known |= set(re.findall(r"\b(shmfs_\w+_fn|shmfs_\w+_t)\b", header(noun)))
        known |= set(re.findall(r"^#define (SHMFS_\w+)", header("shmfs"), re.M))
        for page in RUNS:
            found = set(re.findall(r"\b((?:shmfs|SHMFS)_\w+)", rendered(page)))
            self.assertEqual(found - known, set(), page)

    def test_errors(self):
        for noun in NOUNS:
            self.assertEqual(page_errors(sections(rendered("shmfs_" + noun))["ERRORS"]),
                             documented_errors(noun))

    def test_links(self):
        """man(1) finds each function."""
        for noun in NOUNS:
            for name in functions(noun):
                self.assertEqual((pages / (name + ".3")).read_text(),
                                 f".so man3/shmfs_{noun}.3\n")

    def test_references(self):
        for page in RUNS:
            for name in re.findall(r"\b(\w*shmfs\w*)\(3\)", rendered(page)):
                self.assertTrue((pages / (name + ".3")).exists(), f"{page}: {name}(3)")


class Commands(unittest.TestCase):
    def commands(self, width):
        """The lines of the examples of shmfs(1) that stand by themselves."""
        examples = sections(rendered("shmfs", 1, width))["EXAMPLES"]
        return re.findall(r"^ {11}(.*)$", examples, re.M)

    def test_can_be_pasted(self):
        """A terminal of 80 columns breaks none, and a shell takes all."""
        if not (pages / "shmfs.1").exists():
            self.skipTest("there is no daemon")
        commands = self.commands(80)
        self.assertGreater(len(commands), 15)
        self.assertEqual(commands, self.commands(200))
        self.assertLessEqual(max(map(len, commands)), 80 - 11)
        subprocess.run(["sh", "-n"], input="\n".join(commands), check=True, text=True)


class Examples(unittest.TestCase):
    def test_run(self):
        for page, runs in RUNS.items():
            with tempfile.TemporaryDirectory() as folder:
                program = pathlib.Path(folder) / "example"
                source = sections(rendered(page))["EXAMPLE"]
                source = source[source.index("#include"):]
                done = subprocess.run(
                    [*compiler[1:], "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror",
                     "-I", headers, "-o", program, "-x", "c", "-", "-x", "none", compiler[0]],
                    input=source, check=False, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{page}:\n{done.stderr}")
                for arguments, printed in runs:
                    done = subprocess.run([program, *arguments], check=False,
                                          capture_output=True, text=True)
                    self.assertEqual((done.stdout, done.stderr, done.returncode),
                                     (printed, "", 0), page)


if __name__ == "__main__":
    if not shutil.which("mandoc"):
        print("mandoc is not installed")
        sys.exit(SKIPPED)
    pages, headers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    compiler = sys.argv[3:]
    unittest.main(argv=sys.argv[:1])
