# SPDX-License-Identifier: MIT
"""The mailbox in Python and in C: either end may be either program, and be killed.

usage: test-examples.py FOLDER MAILBOX, the programs in Python and the one in C
"""
import os
import signal
import subprocess
import sys
import unittest

SECONDS = 30
TEXTS = ["one", "two", "three", "é" * 127, ""]

folder, native = "", ""


def start(language, *words):
    program = [native] if language == "c" else [sys.executable, os.path.join(folder, "mailbox.py")]
    # Who runs tests in the background may ignore the signal.
    return subprocess.Popen([*program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


class Mailbox(unittest.TestCase):
    def tearDown(self):
        if os.path.exists("/dev/shm/mailbox"):
            os.unlink("/dev/shm/mailbox")

    def ends(self, process, output, error="", status=0):
        found = process.communicate(timeout=SECONDS)
        self.assertEqual((*found, process.returncode), (output, error, status))

    def test_texts(self):
        for sender, receiver in (("c", "python"), ("python", "c"), ("python", "python")):
            receives = start(receiver, "receive", str(len(TEXTS)))
            self.ends(start(sender, "send", *TEXTS), "")
            self.ends(receives, "".join(text + "\n" for text in TEXTS))

    def test_killed(self):
        """Whoever waits is killed again and again, and others go on."""
        for language in ("python", "c") * 3:
            waits = start("python", "receive", "3")
            self.ends(start(language, "send", "one", "two"), "")
            self.assertEqual(waits.stdout.readline() + waits.stdout.readline(), "one\ntwo\n")
            waits.send_signal(signal.SIGKILL)
            waits.communicate(timeout=SECONDS)
            self.ends(start(language, "send", "text"), "")
            self.ends(start("c", "receive", "1"), "text\n")

    def test_interrupted(self):
        waits = start("python", "receive", "2")
        self.ends(start("c", "send", "one"), "")
        self.assertEqual(waits.stdout.readline(), "one\n")
        waits.send_signal(signal.SIGINT)
        self.assertIn("KeyboardInterrupt", waits.communicate(timeout=SECONDS)[1])
        self.ends(start("c", "send", "two"), "")
        self.ends(start("python", "receive", "1"), "two\n")

    def test_mistakes(self):
        with open("/dev/shm/mailbox", "wb") as file:
            file.write(bytes(65536))
        self.ends(start("python", "receive", "1"), "",
                  "mailbox: [Errno 22] Invalid argument: 'mailbox'\n", 1)
        self.assertIn("usage", start("python", "listen", "1").communicate()[1])


if __name__ == "__main__":
    folder, native = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
