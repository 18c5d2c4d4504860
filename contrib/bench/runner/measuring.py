# SPDX-License-Identifier: MIT
"""Measures all operations on all sides, in rounds."""

import datetime
import signal
import subprocess
import sys

import machine
import paths
import sides
import tracing

# A measurement takes a few hundred milliseconds; a directory of 10000 files, seconds.
PATIENCE = 300
COUNTED = 64


def say(message):
    print(f"bench: {message}", file=sys.stderr)


def show_progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def operations(kind):
    command = [paths.BENCH, "-k", sides.CONTENTS[kind][0], "-l"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return listed.stdout.decode().split()


class Sample:
    """One row of the benchmark program."""

    def __init__(self, line):
        fields = line.split("\t")
        self.error = fields[2] if fields[1] == "-" else None
        if not self.error:
            self.ns = float(fields[1])
            self.count = int(fields[2])
            self.cpu = None if fields[3] == "-" else float(fields[3])
            self.tail = None if fields[4] == "-" else float(fields[4])


def end(program):
    """Lets the benchmark program remove its files, when it can."""
    try:
        program.send_signal(signal.SIGTERM)
        program.wait(PATIENCE / 10)
    except subprocess.TimeoutExpired:
        program.kill()


def run_program(side, operation, *arguments):
    """Runs the benchmark program: its row, or Failure if the side is not usable any more."""
    command = [paths.BENCH, "-k", side.content, *arguments]
    for server in side.servers:
        command += ["-p", str(server.pid)]
    if side.native:
        command += ["-n", side.native]
    command += [side.path, operation]
    if not side.is_alive():
        raise sides.Failure(f"its server has ended before {operation}")
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        row, words = program.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        for server in side.servers:
            server.kill()
        end(program)
        raise sides.Failure(f"{operation} took more than {PATIENCE} s") from None
    except BaseException:
        end(program)
        raise
    if not side.is_alive():
        raise sides.Failure(f"its server ended during {operation}")
    if program.returncode != 0:
        raise sides.Failure(f"{operation}: {words.decode(errors='replace').strip()}")
    return Sample(row.decode().rstrip("\n"))


class Run:
    """The sides, and what was measured on them so far."""

    def __init__(self, all_sides, chosen, counter):
        self.sides = all_sides
        self.kind = chosen.kind
        self.rounds = chosen.rounds
        self.least = str(chosen.least)
        self.counter = counter

    def live(self):
        return [side for side in self.sides if not side.failure]

    def lose(self, side, failure):
        side.failure = str(failure)
        show_progress("")
        say(f"warning: {side.name} is lost: {failure}")

    def start(self):
        known = set()
        for side in list(self.sides):
            try:
                side.start(known)
                known |= {server.pid for server in side.servers}
            except (sides.Failure, OSError) as failure:
                say(f"warning: {side.name} cannot be measured here: {failure}")
                side.stop()
                self.sides.remove(side)

    def stop(self):
        for side in self.sides:
            side.stop()

    def time(self, side, operation, cell):
        """One measurement of one side."""
        try:
            sample = run_program(side, operation, "-t", self.least)
        except sides.Failure as failure:
            self.lose(side, failure)
            return
        if sample.error:
            cell["error"] = sample.error
            return
        cell["ns"].append(sample.ns)
        cell["count"].append(sample.count)
        if sample.tail is not None:
            cell["tail_ns"].append(sample.tail)
        elif side.servers:
            cell["cpu_ns"].append(sample.cpu)

    def count_requests(self, side, operation, cell):
        """Tells also, and is not told, that all requests of the timing were answered."""
        if not self.counter.available or side.connection is None or cell["tail_ns"]:
            return
        self.counter.aim(side.connection)
        try:
            sample = run_program(side, operation, "-c", str(COUNTED), "-g", self.counter.gate)
        except sides.Failure as failure:
            self.lose(side, failure)
            return
        if not sample.error:
            cell["requests"] = self.counter.count() / sample.count

    def row(self, operation):
        cells = {
            side.name: {"ns": [], "count": [], "cpu_ns": [], "tail_ns": [],
                        "requests": None, "error": None}
            for side in self.sides
        }
        for turn in range(self.rounds):
            start = turn % len(self.sides)
            for side in self.sides[start:] + self.sides[:start]:
                cell = cells[side.name]
                if not side.failure and not cell["error"]:
                    self.time(side, operation, cell)
        for side in self.live():
            if not cells[side.name]["error"]:
                self.count_requests(side, operation, cells[side.name])
        return {"operation": operation, "sides": cells}

    def rows(self, names):
        for number, name in enumerate(names, 1):
            show_progress(f"{number} of {len(names)}: {name}")
            yield self.row(name)
        show_progress("")

    def describe_sides(self):
        return [
            {"name": side.name, "kind": side.kind, "failure": side.failure,
             "peak_kib": side.peak_memory() or None}
            for side in self.sides
        ]


def document(run, names):
    rows = list(run.rows(names))
    return {
        "format": 1,
        "kind": run.kind,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine.describe(),
        "versions": machine.versions(),
        "rounds": run.rounds,
        "least_ms": int(run.least),
        "sides": run.describe_sides(),
        "rows": rows,
    }


def run(work, chosen, names):
    """To be called in namespaces of its own."""
    with tracing.Counter(work) as counter:
        if not counter.available:
            say("warning: this kernel has no events of FUSE, requests are not counted")
        measured = Run(sides.make(work, chosen), chosen, counter)
        measured.start()
        if not measured.sides:
            raise SystemExit("bench: there is nothing left to measure")
        try:
            return document(measured, names)
        finally:
            measured.stop()
