# SPDX-License-Identifier: MIT
"""Sends texts through a ring in a file of the mount, or receives them (../README.md).

    python3 ring.py send FILE TEXT...
    python3 ring.py receive FILE COUNT
"""
import errno
import mmap
import os
import sys
import time

SIZE, SLOTS, SLOT, TEXT_MAX = 4096, 15, 256, 252
VERSION, HEAD, TAIL = 0, 64 // 4, 128 // 4  # places among the words
USAGE = "usage: ring send FILE TEXT... | ring receive FILE COUNT"


class Ring:
    """A file, mapped. Python has no atomics: CPython stores a word of a memoryview as a
    whole and in the order of the program, and x86 shows stores in that order. Where the
    processor may reorder them (ARM), os.pwrite() and os.pread() keep the order.
    """

    def __init__(self, path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        # A new file is empty, and a ring of zeros is an empty ring: it takes no creator.
        if os.fstat(fd).st_size == 0:
            os.ftruncate(fd, SIZE)
        if os.fstat(fd).st_size != SIZE:
            sys.exit(f"ring: {path} is no ring of version 1")
        self.bytes = memoryview(mmap.mmap(fd, SIZE))
        os.close(fd)  # the mapping does not need it
        self.words = self.bytes.cast("I")
        if self.words[VERSION] not in (0, 1):
            sys.exit(f"ring: {path} is no ring of version 1")
        self.words[VERSION] = 1

    def send(self, text):
        head = self.words[HEAD]
        while (head + 1) % SLOTS == self.words[TAIL]:
            time.sleep(0.001)  # full: nothing wakes us, a millisecond is soon enough
        at = SLOT * (1 + head)
        self.words[at // 4] = len(text)
        self.bytes[at + 4 : at + 4 + len(text)] = text
        self.words[HEAD] = (head + 1) % SLOTS  # last: who sees it sees the text

    def receive(self):
        tail = self.words[TAIL]
        while self.words[HEAD] == tail:
            time.sleep(0.001)
        at = SLOT * (1 + tail)
        text = bytes(self.bytes[at + 4 : at + 4 + self.words[at // 4]])
        self.words[TAIL] = (tail + 1) % SLOTS
        return text


def main(verb="", path="", *words):
    if not words or verb not in ("send", "receive") or verb == "receive" and words[1:]:
        print(USAGE, file=sys.stderr)
        return 2
    texts = [os.fsencode(word) for word in words]
    if max(map(len, texts)) > TEXT_MAX:
        sys.exit("ring: a text has at most 252 bytes")
    try:
        ring = Ring(path)
    except OSError as error:
        if error.errno != errno.ENODEV:
            sys.exit(f"ring: {path}: {error.strerror}")
        sys.exit(
            f"ring: {path} cannot be mapped: its mount is in direct mode "
            "(see shmfs(1)); read and write it, as ring.pl does"
        )
    if verb == "send":
        for text in texts:
            ring.send(text)
    else:
        for _ in range(int(words[0])):
            print(os.fsdecode(ring.receive()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
