#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists the named objects of a heap, and the beginning of each, from its file alone.

Written from shmfs_heap(5), with nothing but mmap and struct: any language that can map a file
can do the same. Where the file cannot be mapped shared, it is read.

usage: heap.py FILE [NAME]     of /dev/shm, of a mount of shmfs, or any other copy of a heap
"""
import mmap
import struct
import sys

HEADER = 8192


class Damaged(Exception):
    """What stands in the heap cannot be."""


class Heap:
    def __init__(self, file):
        try:
            self.memory = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
        except OSError:
            self.memory = file.read()
        if self.memory[:8] != b"SHMFHEAP":
            raise ValueError("this is no heap")
        # A machine that is big endian writes its numbers so.
        self.order = ">" if self.memory[8] == 1 else "<"
        if self.number("I", 8) != 0x01020304 or self.number("I", 12) != 1:
            raise ValueError("the heap has another byte order or version")
        if self.number("I", 16):
            raise ValueError("the heap has a feature that this program does not know")

    def number(self, form, at):
        try:
            return struct.unpack_from(self.order + form, self.memory, at)[0]
        except struct.error:
            raise Damaged(f"position {at}") from None

    def look_at(self, at, size):
        """Whether SIZE bytes lie in the heap at AT."""
        if at < HEADER or at + size > min(self.number("Q", 192), len(self.memory)):
            raise Damaged(f"position {at}")
        return at

    def buckets(self):
        """The first name of each bucket."""
        n = self.number("Q", 240)
        for i in range(n):
            part = 0 if i < 16 else i.bit_length() - 4
            index = i if i < 16 else i - (1 << (i.bit_length() - 1))
            if part >= 28:
                raise Damaged("buckets")
            at = self.number("Q", 248 + 8 * part) + 8 * index
            yield self.number("Q", self.look_at(at, 8))

    def names_now(self):
        """Names with type and contents, as far as nobody changes them meanwhile."""
        found, steps, most = {}, 0, self.number("Q", 232)
        for at in self.buckets():
            while at:
                steps += 1
                if steps > most:
                    raise Damaged("more names than there are")
                self.look_at(at, 45)
                following, _, kind, place, size, length = struct.unpack_from(
                    self.order + "QQQQQI", self.memory, at)
                self.look_at(at, 45 + length)
                self.look_at(place, size)
                found[self.memory[at + 44:at + 44 + length]] = (
                    kind, self.memory[place:place + size])
                at = following
        return found

    def names(self):
        for _ in range(1000):
            before = self.number("I", 132)
            try:
                found = self.names_now()
            except Damaged:
                if self.number("I", 132) == before and before % 2 == 0:
                    raise
                continue
            if before % 2 == 0 and self.number("I", 132) == before:
                return found
        raise Damaged("names are changed all the time, or who changed them died")


def main():
    try:
        with open(sys.argv[1], "rb") as file:
            names = Heap(file).names()
    except (OSError, ValueError, Damaged) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
    for name, (kind, data) in sorted(names.items()):
        if len(sys.argv) < 3 or name == sys.argv[2].encode():
            print(name.decode(errors="replace"), kind, len(data), bytes(data[:16]))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main()
