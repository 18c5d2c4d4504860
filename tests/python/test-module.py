# SPDX-License-Identifier: MIT
"""The module knows the library whole, and tells of itself.

usage: test-module.py SYMBOLS SOURCE...
"""
import inspect
import os
import pydoc
import re
import subprocess
import sys
import unittest

import shmfs
from shmfs import _library

# The functions that the module does without, and why.
LEFT_OUT = {
    # Memoryviews are cut instead.
    "region_shrink_back", "region_shrink_front",
    # Until a time that is over, or for slices of time, which signals can end.
    "condition_wait", "mutex_lock", "mutex_try_lock", "queue_receive", "queue_send",
    "queue_try_receive", "queue_try_send", "semaphore_try_wait", "semaphore_wait",
}
# What the module does not offer.
LEFT_OUT_NOUNS = ("barrier", "filelock", "once", "ring", "rwlock", "wait")

symbols, sources = "", []


def public(thing):
    """The public attributes of a class that it has not inherited from Python."""
    for name, value in vars(thing).items():
        if not name.startswith("_") and (callable(value) or isinstance(
                value, (property, classmethod, staticmethod))):
            yield name, value


class Module(unittest.TestCase):
    def test_functions(self):
        with open(symbols, encoding="ascii") as file:
            exported = {name for name in re.findall(r"\tshmfs_(\w+);", file.read())
                        if name.partition("_")[0] not in LEFT_OUT_NOUNS}
        self.assertEqual(set(_library.PROTOTYPES) ^ exported, LEFT_OUT)

    def test_installed(self):
        """Each file is one of those that are installed."""
        found = set(os.listdir(os.path.dirname(shmfs.__file__))) - {"__pycache__"}
        self.assertEqual({os.path.basename(source) for source in sources}, found)

    def test_documented(self):
        self.assertGreater(len(shmfs.__all__), 15)
        page = pydoc.render_doc(shmfs)
        for name in shmfs.__all__:
            thing = getattr(shmfs, name)
            self.assertIn(name, page)
            self.assertTrue(thing.__doc__, name)
            for inner, value in public(thing):
                if not issubclass(thing, (tuple, int)):
                    self.assertTrue(inspect.getdoc(value), f"{name}.{inner}")

    def test_annotated(self):
        for name in shmfs.__all__:
            for inner, value in public(getattr(shmfs, name)):
                function = getattr(value, "__func__", getattr(value, "fget", value))
                if inspect.isfunction(function):
                    self.assertIn("return", function.__annotations__, f"{name}.{inner}")

    def test_no_library(self):
        """Without the library, or with an older one, it says what is missing."""
        for name in ("libnosuch.so.1", "libc.so.6"):
            done = subprocess.run(
                [sys.executable, "-c", "import ctypes; plain = ctypes.CDLL\n"
                 f"ctypes.CDLL = lambda _: plain({name!r})\nimport shmfs"],
                check=False, capture_output=True, text=True)
            self.assertIn("ImportError: shmfs takes libshmfs.so.1 of shmfs 0.2 or later",
                          done.stderr)


if __name__ == "__main__":
    symbols, *sources = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
