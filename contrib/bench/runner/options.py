# SPDX-License-Identifier: MIT
"""What is asked for on the command line."""

import argparse
import os
import re
import sys

import paths
import sides

DESCRIPTION = """\
Measures what operations on shared memory cost: natively, through shmfs in each of its
modes, through bindfs, and through what else is named, side by side in one run. Each
operation goes round all sides before the next round begins, each round from another start,
and medians are compared. To be run as root, on Debian 12 or later; it installs what it
needs, and works in namespaces of its own, on a fresh tmpfs, that leave nothing behind.

sides:
  native            the tmpfs itself
  passthrough       shmfs with its default options
  notify            shmfs -o coherence=notify
  direct            shmfs -o passthrough=off
  bindfs            bindfs, as it is by default

sides with --kind sysv:
  native            segments as they are without a file system: memcpy from and to an
                    attachment (pread, pwrite), shmat and shmdt (open, map and close),
                    shmget and IPC_RMID, IPC_STAT, and /proc/sysvipc/shm (listing)
  map_files         their memory as the file in /proc/self/map_files that it is for root:
                    what reading and writing files costs without shmfs
  passthrough       shmfs -o kind=sysv; a file that is read is open for reading only, but
                    for writing too where the operation says rw
  direct            shmfs -o kind=sysv,passthrough=off
"""

# What -b stands for, which --bars cannot.
BUILT_IN = object()

EPILOG = """\
examples:
  contrib/bench/run -j speed.json -c speed.svg
  contrib/bench/run -m hp='passthrough_hp "$1" "$2"' -s native,passthrough,hp stat open-close
  contrib/bench/run -f speed.json -c speed.svg
  contrib/bench/run --kind sysv -b
  contrib/bench/run --kind heap [-b] [OPERATION...]

The last one has no sides: it times heaps, mutexes, conditions, queues, read/write locks and
barriers of the library beside those of Boost.Interprocess or POSIX, by turns.

It exits with 0, with 1 if a bar is missed or a side was lost on the way, with 2 if it was
called wrongly.
"""


def refuse(message):
    print(f"bench: {message}", file=sys.stderr)
    raise SystemExit(2)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        refuse(f"{message}; see contrib/bench/run --help")


def number(largest):
    def convert(text):
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= largest:
            raise argparse.ArgumentTypeError(
                f"{text}: not a number of 1 to {largest}"
            )
        return int(text)

    return convert


def named(text):
    """NAME=VALUE, as a pair."""
    name, equals, value = text.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,15}", name) or not equals or not value:
        raise argparse.ArgumentTypeError(
            f"{text}: not NAME=..., with a NAME of 1 to 16 letters, digits, _ . and -"
        )
    return name, value


def directory(text):
    name, path = named(text)
    if not os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"{text}: {path} is not a directory")
    return name, os.path.abspath(path)


def output(text):
    path = os.path.abspath(text)
    if os.path.isdir(path) or not os.access(os.path.dirname(path), os.W_OK):
        raise argparse.ArgumentTypeError(f"{text}: cannot be written")
    return path


def existing(text):
    if not os.path.isfile(text):
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return text


def make_parser():
    parser = Parser(
        prog="contrib/bench/run",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("operations", nargs="*", metavar="OPERATION",
        help="one of those in the first column of the table (default: all)")
    add("--kind", choices=sides.DEFAULT, metavar="KIND",
        help="of shared memory: posix (default) or sysv, each with its own sides, "
        "operations and bars")
    add("-r", dest="rounds", metavar="ROUNDS", type=number(1000),
        help="how often each operation is measured on each side (default: 5)")
    add("-t", dest="least", metavar="MILLISECONDS", type=number(60000),
        help="the least that a measurement takes (default: 100)")
    add("-s", dest="sides", metavar="SIDE,...", type=lambda text: text.split(","),
        help="only these sides (default: all of them)")
    add("-d", dest="directories", metavar="NAME=DIR", type=directory, action="append",
        default=[], help="a further side: a directory of the machine, as it is")
    add("-m", dest="mounts", metavar="NAME=COMMAND", type=named, action="append",
        default=[], help="a further side: a file system that the shell command mounts; "
        "$1 is the directory that it is to show, on the same tmpfs as all (nothing with "
        "--kind sysv), $2 is where")
    add("-j", dest="json", metavar="FILE", type=output,
        help="writes everything that was measured as JSON")
    add("-c", dest="chart", metavar="FILE", type=output, help="draws a chart, as SVG")
    add("-f", dest="file", metavar="FILE", type=existing,
        help="measures nothing, but shows what -j wrote")
    add("--brief", action="store_true", help="only the first of the tables")
    add("-b", dest="bars", action="store_const", const=BUILT_IN,
        help="checks the bars of contrib/bench/bars, or bars-sysv: exits with 1 if one is "
        "missed")
    add("--bars", dest="bars", metavar="FILE", type=existing,
        help="checks the bars of this file, which explains itself there")
    return parser


def check_file_only(chosen):
    measuring = chosen.rounds, chosen.least, chosen.json, chosen.directories, \
        chosen.mounts, chosen.kind
    if any(measuring):
        refuse("-f measures nothing: it goes with -s, -c, -b, --bars and --brief only")


def check_sides(chosen):
    if chosen.kind == "sysv" and chosen.directories:
        refuse("-d does not go with --kind sysv: the segments are in a namespace of their own")
    names = sides.DEFAULT[chosen.kind] + [name for name, _ in chosen.directories + chosen.mounts]
    for name in names:
        if names.count(name) > 1:
            refuse(f"two sides cannot both be named {name}")
    for name in chosen.sides or []:
        if name not in names:
            refuse(f"no side {name}; there are: {' '.join(names)}")


def parse():
    chosen = make_parser().parse_intermixed_args()
    if chosen.file:
        check_file_only(chosen)
    else:
        chosen.kind = chosen.kind or "posix"
        check_sides(chosen)
    chosen.rounds = chosen.rounds or 5
    chosen.least = chosen.least or 100
    return chosen
