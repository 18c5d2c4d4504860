#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Passes texts through the mailbox of ../c/mailbox.c, with the module shmfs.

Either end may be this program or the one in C. A process that is killed in between holds nobody
up.

usage: mailbox.py send TEXT... | mailbox.py receive COUNT
"""
import os
import sys

import shmfs

# struct mailbox in C: a mutex, a condition, an int, the text with a zero behind it, and what
# aligns the end.
SIZE, TYPE = 296, 1
FULL, TEXT = slice(32, 36), slice(36, 292)


class Mailbox:
    def __init__(self, heap):
        memory = heap.find_or_construct("mailbox", SIZE, type=TYPE)
        self.full, self.text = memory[FULL].cast("i"), memory[TEXT]
        # If the last holder died, there is nothing to repair: "full" is changed last.
        mutex = shmfs.Mutex(heap, memory[:24], repair=lambda: None)
        self.changed = shmfs.Condition(heap, memory[24:32], mutex)

    def send(self, text):
        with self.changed:
            self.changed.wait_for(lambda: not self.full[0])
            raw = text[:255] + b"\0"
            self.text[:len(raw)] = raw
            self.full[0] = 1
            self.changed.notify_all()

    def receive(self):
        with self.changed:
            self.changed.wait_for(lambda: self.full[0])
            text = bytes(self.text).partition(b"\0")[0]
            self.full[0] = 0
            self.changed.notify_all()
            return text


def main(verb, *words):
    box = Mailbox(shmfs.Heap("mailbox", shmfs.How.OPEN_OR_CREATE))
    if verb == "send":
        for word in words:
            box.send(os.fsencode(word))
    else:
        for _ in range(int(words[0])):
            print(os.fsdecode(box.receive()), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("send", "receive"):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"mailbox: {error}")
