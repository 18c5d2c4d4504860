# SPDX-License-Identifier: MIT
"""A player (see players.h) in Python.

HOW is native (multiprocessing.shared_memory), or, for a file of the mount, mapped (by the
mmap module), reopened (mapped, but opened again once it has a size, as a new System V
segment has to be), direct (read and write), or refused: mapping it fails with ENODEV.
"""
import errno
import mmap
import os
import struct
import sys

PAGES = 16
PAGE = 4096
CHUNK = 256  # pages that are read or written at once


def native(name, lead, size):
    from multiprocessing import resource_tracker, shared_memory

    # Or it would remove the object when this process ends, whoever else uses it.
    resource_tracker.register = lambda *_: None
    return shared_memory.SharedMemory(name, create=lead, size=size if lead else 0)


def opened(path, lead, size, again=False):
    fd = os.open(path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if lead else 0), 0o644)
    if lead:
        os.ftruncate(fd, size)
    if lead and again:
        os.close(fd)
        return opened(path, False, size)
    return fd


class Memory:
    """Something mapped."""

    def __init__(self, buffer):
        self.bytes = memoryview(buffer).cast("B")
        self.words = self.bytes.cast("I")

    def load(self, at):
        return self.words[at]

    def store(self, at, value):
        self.words[at] = value

    def read(self, size, offset):
        return self.bytes[offset : offset + size]

    def write(self, data, offset):
        self.bytes[offset : offset + len(data)] = data


class File:
    """The same by reading and writing a file."""

    def __init__(self, fd):
        self.fd = fd

    def load(self, at):
        return struct.unpack("=I", os.pread(self.fd, 4, at * 4))[0]

    def store(self, at, value):
        os.pwrite(self.fd, struct.pack("=I", value), at * 4)

    def read(self, size, offset):
        return os.pread(self.fd, size, offset)

    def write(self, data, offset):
        os.pwrite(self.fd, data, offset)


def wait_for(words, at, value):
    while words.load(at) != value:
        os.sched_yield()


def play(words, lead, count, size):
    for i in range(1, count + 1):
        place = i % PAGES * (size // PAGE - 1) // (PAGES - 1) * (PAGE // 4)
        if lead:
            words.store(place, i)
            wait_for(words, place + 1, i)
        else:
            wait_for(words, place, i)
            words.store(place + 1, i)


def pattern(seed, size):
    """The place and the bytes of each chunk of what fills all of an object."""
    chunk = bytearray((i * 7 + seed) & 0xFF for i in range(PAGE)) * CHUNK
    for offset in range(0, size, len(chunk)):
        for at in range(0, len(chunk), PAGE):
            struct.pack_into("=Q", chunk, at, (offset + at) // PAGE)
        yield offset, chunk[: size - offset]


def fill(memory, seed, size):
    for offset, data in pattern(seed, size):
        memory.write(data, offset)


def check(memory, seed, size):
    for offset, expected in pattern(seed, size):
        if memory.read(len(expected), offset) != expected:
            sys.exit(f"the bytes at {offset} differ")


def main(how, name, role, number, size):
    lead, number, size = role == "lead", int(number), int(size)
    if how == "refused":
        try:
            mmap.mmap(opened(name, lead, size), size)
        except OSError as error:
            return 0 if error.errno == errno.ENODEV else 1
        return 1
    if how == "native":
        owner = native(name, lead, size)
        memory = Memory(owner.buf)
    elif how == "direct":
        memory = File(opened(name, lead, size))
    else:
        memory = Memory(mmap.mmap(opened(name, lead, size, how == "reopened"), size))
    if role == "fill":
        fill(memory, number, size)
    elif role == "check":
        check(memory, number, size)
    else:
        if lead:
            print("ready", flush=True)
        play(memory, lead, number, size)
    # The views are still in use: nothing that is left is worth a complaint.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
