# SPDX-License-Identifier: MIT
"""Counts the FUSE requests that a caller waits for.

The kernel has an event for each request that it sends (Linux 6.10, tracefs). A private
instance of tracing records those of one connection, without those that nobody waits for,
while the gate of the benchmark program is open. It says how many were written even when
they did not all fit. This is done apart from the timing, which it would change.
"""

import os
import re

import namespaces

# By number, as in linux/fuse.h.
FORGET, RELEASE, RELEASEDIR, INTERRUPT, NOTIFY_REPLY, BATCH_FORGET = 2, 18, 29, 36, 41, 42
NOT_AWAITED = FORGET, RELEASE, RELEASEDIR, INTERRUPT, NOTIFY_REPLY, BATCH_FORGET


class Counter:
    """To be used with "with"; available is False where the kernel cannot count."""

    def __init__(self, work):
        self.root = os.path.join(work, "tracing")
        self.instance = os.path.join(self.root, "instances", os.path.basename(work))
        self.gate = os.path.join(self.instance, "tracing_on")
        self.available = False

    def __enter__(self):
        os.mkdir(self.root)
        if namespaces.mount("-t", "tracefs", "tracefs", self.root) and \
                os.path.isdir(os.path.join(self.root, "events", "fuse")):
            os.mkdir(self.instance)
            self.available = True
        return self

    def __exit__(self, *_):
        if self.available:
            self.write("events/enable", "0")
            os.rmdir(self.instance)

    def write(self, name, text):
        with open(os.path.join(self.instance, name), "w", encoding="ascii") as file:
            file.write(text)

    def aim(self, connection):
        """Counts from now on, while the gate is open, requests of this connection."""
        self.write("tracing_on", "0")
        rules = [f"connection == {connection}"]
        rules += [f"opcode != {number}" for number in NOT_AWAITED]
        self.write("events/fuse/fuse_request_send/filter", " && ".join(rules))
        self.write("events/fuse/fuse_request_send/enable", "1")
        self.write("trace", "")

    def count(self):
        with open(os.path.join(self.instance, "trace"), encoding="ascii") as file:
            for line in file:
                if found := re.search(r"entries-written: \d+/(\d+)", line):
                    return int(found[1])
        return None
