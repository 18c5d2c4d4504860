# SPDX-License-Identifier: MIT
"""A player in Python: player.py HOW NAME lead|follow EXCHANGES.

HOW is native (multiprocessing.shared_memory), mapped (the mmap module on a file of the
mount), direct (read and write there), or refused: mapping there has to fail with ENODEV.
"""
import errno
import mmap
import os
import struct
import sys

PAGES = 16
SIZE = PAGES * 4096


def native(name, lead):
    from multiprocessing import resource_tracker, shared_memory

    # Or it would remove the object when this process ends, whoever else uses it.
    resource_tracker.register = lambda *_: None
    return shared_memory.SharedMemory(name, create=lead, size=SIZE if lead else 0)


def opened(path, lead):
    fd = os.open(path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if lead else 0), 0o644)
    if lead:
        os.ftruncate(fd, SIZE)
    return fd


class Memory:
    """The words of something mapped."""

    def __init__(self, buffer):
        self.words = memoryview(buffer).cast("I")

    def load(self, at):
        return self.words[at]

    def store(self, at, value):
        self.words[at] = value


class File:
    """The words of a file, by reading and writing."""

    def __init__(self, fd):
        self.fd = fd

    def load(self, at):
        return struct.unpack("=I", os.pread(self.fd, 4, at * 4))[0]

    def store(self, at, value):
        os.pwrite(self.fd, struct.pack("=I", value), at * 4)


def wait_for(words, at, value):
    while words.load(at) != value:
        os.sched_yield()


def play(words, lead, count):
    for i in range(1, count + 1):
        place = i % PAGES * 1024
        if lead:
            words.store(place, i)
            wait_for(words, place + 1, i)
        else:
            wait_for(words, place, i)
            words.store(place + 1, i)


def main(how, name, role, count):
    lead = role == "lead"
    if how == "refused":
        try:
            mmap.mmap(opened(name, lead), SIZE)
        except OSError as error:
            return 0 if error.errno == errno.ENODEV else 1
        return 1
    if how == "native":
        owner = native(name, lead)
        words = Memory(owner.buf)
    elif how == "mapped":
        words = Memory(mmap.mmap(opened(name, lead), SIZE))
    else:
        words = File(opened(name, lead))
    if lead:
        print("ready", flush=True)
    play(words, lead, int(count))
    # The views are still in use: nothing that is left is worth a complaint.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
