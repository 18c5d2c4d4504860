#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the mount does otherwise than /dev/shm is the same list in shmfs(1) and in the tests.

Each row of "DIFFERENCES TO /dev/shm ITSELF" begins with a word. Where a test leaves something
out, does it on both sides, or shows it, that word is named: in a comment as
(difference: WORD), in a call of side_refused(), or in the table of test-rights.c.

usage: test-differences.py SHMFS.1.SCD TESTS_DIR
"""
import pathlib
import re
import sys
import unittest

HEADING = "DIFFERENCES TO /dev/shm ITSELF"
page = pathlib.Path()
tests = pathlib.Path()


def section():
    text = page.read_text()
    found = re.search(rf"^# {HEADING}$(.*?)^# ", text, re.M | re.S)
    return found.group(1) if found else ""


def rows():
    """The words, in their order, by the heading that they stand under."""
    parts = re.split(r"^## (.+)$", section(), flags=re.M)
    return {heading: re.findall(r"^\*([a-z-]+)\*\n\t", part, re.M)
            for heading, part in zip(parts[1::2], parts[2::2])}


def sources():
    return {path: path.read_text() for path in sorted(tests.rglob("*.[ch]"))}


def named():
    """The words that the tests name, and where."""
    found = {}
    for path, text in sources().items():
        words = re.findall(r"\(difference:[\s*]+([a-z-]+)\)", text)
        words += re.findall(r"side_refused\([^;]*?\"([a-z-]+)\"\)", text, re.S)
        table = re.search(r"\bdifferences\[\] = \{\n(.*?)^\};", text, re.M | re.S)
        if table:
            words += re.findall(r"^\t\{ \"([a-z-]+)\",", table.group(1), re.M)
        for word in words:
            found.setdefault(word, set()).add(str(path.relative_to(tests)))
    return found


class Differences(unittest.TestCase):
    def test_rows(self):
        self.assertEqual(len(rows()), 2)
        for words in rows().values():
            self.assertGreater(len(words), 5)
            self.assertEqual(words, sorted(set(words)))

    def test_lists_are_the_same(self):
        listed = {word for words in rows().values() for word in words}
        found = named()
        self.assertEqual({word: found[word] for word in set(found) - listed}, {},
                         "in the tests, but not in the manual")
        self.assertEqual(listed - set(found), set(), "in the manual, but in no test")

    def test_no_row_is_long(self):
        """One paragraph each."""
        for row in re.split(r"^(?=\*[a-z-]+\*\n)", section(), flags=re.M)[1:]:
            body = row.partition("\n")[2].partition("\n\n")[0]
            self.assertLessEqual(len(" ".join(body.split())), 420, row)


if __name__ == "__main__":
    page, tests = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
