# SPDX-License-Identifier: MIT
"""The mailbox in Python and in C: either end may be either program, and be killed. One in Go
looks on.

usage: test-examples.py FOLDER MAILBOX [MONITOR], the programs in Python, and those in C and Go
"""
import os
import signal
import subprocess
import sys
import unittest

import shmfs

SECONDS = 30
TEXTS = ["one", "two", "three", "é" * 127, ""]

folder, native, monitor = "", "", []


def start(language, *words):
    program = {"c": [native], "go": monitor,
               "python": [sys.executable, os.path.join(folder, "mailbox.py")]}[language]
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

    @staticmethod
    def die():
        """A process dies with the mutex of the mailbox, and another one has it next."""
        heap = shmfs.Heap("mailbox")
        mutex = shmfs.Mutex(heap, heap.find("mailbox", type=1)[:24], repair=lambda: None)
        pid = os.fork()
        if pid == 0:
            mutex.acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        with mutex:
            pass

    def test_monitor(self):
        if not monitor:
            self.skipTest("there is no Go")
        self.ends(start("c", "send", "one"), "")
        looks = start("go", "/dev/shm/mailbox", "5")
        self.assertEqual(looks.stdout.readline(), "full: one\n")
        self.ends(start("python", "receive", "1"), "one\n")
        self.assertEqual(looks.stdout.readline(), "empty, deaths: 0\n")
        self.die()
        self.assertEqual(looks.stdout.readline(), "empty, deaths: 1\n")
        self.ends(start("c", "send", "é" * 127), "")
        self.assertEqual(looks.stdout.readline(), "full: " + "é" * 127 + "\n")
        self.ends(start("c", "receive", "1"), "é" * 127 + "\n")
        self.ends(looks, "empty, deaths: 1\n")

    def test_monitor_of_damage(self):
        """Each byte of the header in turn is another one: it ends with words of its own."""
        if not monitor:
            self.skipTest("there is no Go")
        self.ends(start("c", "send", "one"), "")
        with open("/dev/shm/mailbox", "rb") as file:
            good = file.read()
        for at in [*range(0, 20), *range(132, 136), *range(224, 264)]:
            with open("/dev/shm/damaged", "wb") as file:
                file.write(good[:at] + bytes([good[at] ^ 0xA5]) + good[at + 1:])
            looks = start("go", "/dev/shm/damaged", "1")
            try:
                output, error = looks.communicate(timeout=0.3)
            except subprocess.TimeoutExpired:
                looks.kill()
                output, error = looks.communicate()
            self.assertNotIn("goroutine", error, at)
        os.unlink("/dev/shm/damaged")

    def test_mistakes(self):
        with open("/dev/shm/mailbox", "wb") as file:
            file.write(bytes(65536))
        self.ends(start("python", "receive", "1"), "",
                  "mailbox: [Errno 22] Invalid argument: 'mailbox'\n", 1)
        self.assertIn("usage", start("python", "listen", "1").communicate()[1])


if __name__ == "__main__":
    folder, native, *monitor = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
