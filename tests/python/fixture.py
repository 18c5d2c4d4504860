# SPDX-License-Identifier: MIT
"""What the tests of the Python module share. They run in a sandbox, with an empty /dev/shm."""
import errno
import gc
import os
import signal
import threading
import unittest
from multiprocessing import resource_tracker

import shmfs

CREATE, OPEN, BOTH = shmfs.How.CREATE, shmfs.How.OPEN, shmfs.How.OPEN_OR_CREATE
HEAP = "heap"

# Nothing waits for so long unless it hangs.
SECONDS = 30


class Case(unittest.TestCase):
    """Leaves no object and no descriptor behind."""

    def setUp(self):
        gc.collect()
        self.descriptors = os.listdir("/proc/self/fd")
        signal.signal(signal.SIGALRM, self.hang)
        signal.alarm(SECONDS)

    def hang(self, *_):
        self.fail("hangs")

    def tearDown(self):
        signal.alarm(0)
        if HEAP in os.listdir("/dev/shm"):
            shmfs.Heap.remove(HEAP)
        self.assertEqual(os.listdir("/dev/shm"), [])
        # What multiprocessing starts by itself has a descriptor as long as it runs.
        resource_tracker._resource_tracker._stop()
        gc.collect()
        self.assertEqual(os.listdir("/proc/self/fd"), self.descriptors)

    def refused(self, number, function, *arguments, kind=OSError, **named):
        """FUNCTION raises an exception of KIND with errno NUMBER."""
        with self.assertRaises(kind) as raised:
            function(*arguments, **named)
        self.assertEqual(errno.errorcode[raised.exception.errno], errno.errorcode[number])


def heap():
    return shmfs.Heap(HEAP, BOTH)


def in_thread(function, *arguments):
    """What FUNCTION returns in another thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    thread.join()
    return results[0]


def is_free(mutex):
    """Whether another thread can have MUTEX."""
    def attempt():
        free = mutex.acquire(0)
        if free:
            mutex.release()
        return free
    return in_thread(attempt)


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def child(function):
    """Runs FUNCTION in a child, and returns its id when the function has said ready()."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            function(lambda: os.write(writer, b"x"))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    return pid


def dies_with(function):
    """Runs FUNCTION in a child, which is killed at its end."""
    def run(ready):
        function()
        ready()
        signal.pause()
    kill(child(run))


class Interrupt(Exception):
    """Raised by the handler of a signal."""


def interrupt(seconds):
    """Raises Interrupt in the main thread in a while."""
    def handle(*_):
        raise Interrupt
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, seconds)
