# SPDX-License-Identifier: MIT
"""What is worth knowing of the machine and the programs when figures are compared."""

import os
import platform
import re
import subprocess

import paths


def output_of(*command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                              stdout=subprocess.PIPE, check=False)
    except OSError:
        return ""
    return done.stdout.decode(errors="replace").strip()


def distribution():
    with open("/etc/os-release", encoding="utf-8") as file:
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', file.read(), re.M)
    return found[1] if found else platform.system()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    return found[1].strip() if found else platform.machine()


def describe():
    virtual = output_of("systemd-detect-virt", "--vm")
    return {
        "system": distribution(),
        "kernel": re.match(r"[\d.]*\d", platform.release())[0],
        "processors": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "virtual": virtual if re.fullmatch(r"[a-z0-9-]+", virtual) else "none",
    }


def versions():
    libfuse = output_of("pkg-config", "--modversion", "fuse3")
    return {
        "shmfs": output_of(paths.SHMFS, "--version").splitlines()[0].split()[-1],
        "libfuse": libfuse,
        "bindfs": output_of("bindfs", "--version").split()[-1:],
    }
