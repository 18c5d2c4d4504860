#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Everything that is installed has a tag, and under each tag is what that is for.

By these tags packages, and images with a part of this only, take what they want:
meson install --tags runtime.

usage: test-tags.py BUILD_DIR TAG... (those that there must be, and no others)
"""
import json
import re
import subprocess
import sys

# The end of what may be installed under a tag, and what must be.
TAGS = {
    "runtime": (r"/libshmfs\.so\.[\d.]+|bindir\}/((mount\.)?shmfs|shmfs-check)", {"shmfs-check"}),
    "devel": (r"\.(h|a|so|pc)", {"shmfs.h", "barrier.h", "condition.h", "filelock.h", "heap.h", "mutex.h",
                                 "object.h", "once.h", "pointer.h", "queue.h", "region.h",
                                 "ring.h", "rwlock.h", "semaphore.h", "sysv.h", "wait.h",
                                 "shmfs.pc", "libshmfs.a"}),
    "man": (r"man\d/[\w.-]+\.\d", {"libshmfs.3", "shmfs_heap.5", "shmfs-check.1"}),
    "completion": (r"/(_shmfs|shmfs\.fish|shmfs)", {"_shmfs", "shmfs.fish", "shmfs"}),
    "systemd": (r"/(shmfs@\.service|unmount-dead)", {"shmfs@.service", "unmount-dead"}),
    "python": (r"/shmfs/(\w+\.py|py\.typed)", {"__init__.py", "_heap.py", "py.typed"}),
    "examples": (r"/doc/shmfs/examples", {"examples"}),
}


def plan(build):
    """(destination, tag) of all that is installed."""
    result = subprocess.run(["meson", "introspect", "--install-plan", build],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=60, check=True)
    for files in json.loads(result.stdout).values():
        for entry in files.values():
            yield entry["destination"], entry["tag"]


def main(build, *tags):
    failures = []
    found = {tag: set() for tag in tags}
    for destination, tag in plan(build):
        if tag not in found:
            failures.append(f"{destination} has the tag {tag}")
        elif not re.search(f"({TAGS[tag][0]})$", destination):
            failures.append(f"{destination} is not for the tag {tag}")
        else:
            found[tag].add(destination.rpartition("/")[2])
    for tag in tags:
        for name in sorted(TAGS[tag][1] - found[tag]):
            failures.append(f"the tag {tag} lacks {name}")
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
