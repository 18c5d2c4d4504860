#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The runner of the benchmark without measuring: its statistics, its tables, its bars, what
it refuses, and that README shows what is kept of runs beside it. Where BENCH names the benchmark
program, also what that does with System V segments."""

import argparse
import contextlib
import glob
import io
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "runner")
README = os.path.join(HERE, "..", "..", "README.md")
SPEED = os.path.join(HERE, "speed.json")
KEPT = glob.glob(os.path.join(HERE, "*.json"))
BENCH = os.environ.get("BENCH")
sys.dont_write_bytecode = True
sys.path.insert(0, RUNNER)

import bars
import chart
import paths
import report
import sides
import table


def cell(*ns, **more):
    return {"ns": list(ns), "count": [1] * len(ns), "cpu_ns": [], "tail_ns": [],
            "requests": None, "error": None, **more}


def side(name, kind, **more):
    return {"name": name, "kind": kind, "failure": None, "peak_kib": None, **more}


def make_document(n_sides=3):
    """native 100 ns, a 200 ns, b 400 ns; there may be more like b."""
    others = [chr(ord("b") + i) for i in range(n_sides - 2)]
    cells = {"native": cell(100.0, 90.0, 110.0),
             "a": cell(200.0, 200.0, 900.0, cpu_ns=[50.0, 100.0, 450.0], requests=2.0)}
    cells.update({name: cell(400.0 + i) for i, name in enumerate(others)})
    document = {
        "format": 1, "date": "then", "rounds": 3, "least_ms": 1,
        "machine": {"system": "Debian", "kernel": "6.18", "processors": 2,
                    "processor": "CPU", "virtual": "none"},
        "versions": {"shmfs": "0"},
        "sides": [side("native", "native"), side("a", "ours", peak_kib=2048),
                  *(side(name, "other") for name in others)],
        "rows": [{"operation": "stat", "sides": cells}],
    }
    report.summarize(document)
    return document


def make_segment_document():
    return {**make_document(), "kind": "sysv"}


def render(document, brief=False):
    return table.render(report.select(document, None, None), brief)


def run(*arguments):
    return subprocess.run([sys.executable, "-B", RUNNER, *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def may_unshare():
    return subprocess.run(["unshare", "-i", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


class Statistics(unittest.TestCase):
    def test_median_and_ratio(self):
        row = make_document()["rows"][0]
        self.assertEqual(row["sides"]["native"]["median_ns"], 100)
        self.assertEqual(row["sides"]["native"]["lower_ns"], 95)
        self.assertEqual(row["sides"]["native"]["upper_ns"], 105)
        self.assertEqual(row["sides"]["a"]["of_native"], 0.5)
        self.assertEqual(row["sides"]["a"]["cpu"], 0.5)

    def test_best_other_is_none_of_ours_and_not_native(self):
        row = make_document(4)["rows"][0]
        self.assertEqual(row["best_other"], "b")
        self.assertEqual(row["of_best_other"], {"a": 2})

    def test_side_without_values(self):
        document = make_document()
        document["rows"][0]["sides"]["b"] = cell(error="No such device")
        report.summarize(document)
        self.assertIsNone(document["rows"][0]["best_other"])
        self.assertIn("-", render(document))

    def test_delay_has_no_speed(self):
        document = make_document()
        document["rows"][0]["sides"]["a"]["tail_ns"] = [1000.0] * 3
        report.summarize(document)
        self.assertIn("stat, a: median 200 ns, 99.9th percentile 1.00 us", render(document))


class Tables(unittest.TestCase):
    def test_times(self):
        for ns, text in ((0, "0 ns"), (999.4, "999 ns"), (999.6, "1.00 us"),
                         (12345, "12.3 us"), (99960, "100 us"), (5e6, "5.00 ms"),
                         (2e9, "2.00 s"), (None, "-")):
            self.assertEqual(table.human_time(ns), text)

    def test_ratios(self):
        for value, text in ((None, ""), (0.0004, "<.001"), (0.0123, "0.012"),
                            (0.5, "0.50"), (12.34, "12.3"), (123.4, "123")):
            self.assertEqual(table.human_ratio(value), text)

    def test_many_sides_go_below_each_other(self):
        text = render(make_document(20))
        self.assertLessEqual(max(map(len, text.splitlines())), table.WIDTH)
        self.assertEqual(text.count("100 ns"), 1)

    def test_brief_has_no_costs(self):
        self.assertIn("cpu", render(make_document()))
        self.assertNotIn("cpu", render(make_document(), brief=True))

    def test_native_segments_are_explained(self):
        self.assertIn("native: memcpy", render(make_segment_document()))
        self.assertNotIn("native: memcpy", render(make_document()))

    def test_lost_side_is_told_of(self):
        document = make_document()
        document["sides"][2]["failure"] = "it died"
        self.assertIn("b was lost on the way: it died", render(document))


class Bars(unittest.TestCase):
    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".bars") as file:
            file.write(text)
            file.flush()
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                reached = bars.check(make_document(), bars.read(file.name))
        return reached, printed.getvalue()

    def test_reached(self):
        reached, printed = self.check("stat a speed 0.5 native\nstat a requests 2 # words\n")
        self.assertTrue(reached)
        self.assertIn("2 bars reached, 0 missed, 0 not measured", printed)

    def test_missed(self):
        for bar in "stat a speed 0.51 native", "stat a requests 1":
            reached, printed = self.check(bar)
            self.assertFalse(reached)
            self.assertIn("FAIL", printed)

    def test_not_measured_is_not_missed(self):
        reached, printed = self.check("stat a speed 3 hp\nfstat a speed 3 b\n")
        self.assertTrue(reached)
        self.assertIn("0 bars reached, 0 missed, 2 not measured", printed)

    def test_refused(self):
        for bar in "stat a speed x native", "stat a speed 1", "stat a size 1", "stat":
            with self.assertRaises(SystemExit), \
                    contextlib.redirect_stderr(io.StringIO()) as words:
                self.check(bar)
            self.assertIn("bars:1:", words.getvalue())

    def test_built_in_ones_are_right(self):
        for path in paths.BARS.values():
            self.assertGreater(len(bars.read(path)), 0)

    def test_built_in_ones_are_those_of_the_kind(self):
        memcpy = "not measured            pread-1m, passthrough: at least 0.5 of native"
        for document, there in (make_document(), False), (make_segment_document(), True):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "run.json")
                report.write(document, path)
                self.assertEqual(memcpy in run("-f", path, "-b").stdout, there)


class Options(unittest.TestCase):
    def test_refused(self):
        for arguments in (["-r", "0"], ["-t", "x"], ["-s", "nobody"], ["-m", "x"],
                          ["-m", "native=true"], ["-d", "x=/nonexistent"],
                          ["-j", "/nonexistent/x"], ["-f", "/nonexistent"],
                          ["-f", SPEED, "-r", "3"], ["-f", README], ["-x"],
                          ["--kind", "x"], ["--kind", "sysv", "-s", "notify"],
                          ["--kind", "sysv", "-d", "x=/"], ["-f", SPEED, "--kind", "sysv"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertRegex(done.stderr, r"\Abench: [^\n]*\n\Z", arguments)

    def test_help(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("-m NAME=COMMAND", done.stdout)


class Segments(unittest.TestCase):
    """What is other with System V ones."""

    def test_sides(self):
        chosen = argparse.Namespace(kind="sysv", directories=[], mounts=[("x", "true")],
                                    sides=None)
        native, memory, *mounted = sides.make("/nonexistent", chosen)
        self.assertEqual((native.content, native.path), ("sysvipc", "/proc/sysvipc"))
        self.assertEqual((memory.content, memory.path), ("map_files", "/proc/self/map_files"))
        self.assertEqual([side.name for side in mounted], ["passthrough", "direct", "x"])
        self.assertEqual({side.content for side in mounted}, {"segments"})
        self.assertEqual({side.native for side in mounted}, {None})
        self.assertIn("kind=sysv,passthrough=require", mounted[0].command)
        self.assertEqual(mounted[2].command[2:], ["true", "x", "", "/nonexistent/x"])

    @unittest.skipUnless(BENCH, "BENCH is not set")
    def test_all_contents_have_the_same_rows(self):
        native, memory, files = (
            subprocess.run([BENCH, "-k", content, "-l"], check=True,
                           stdout=subprocess.PIPE).stdout
            for content in ("sysvipc", "map_files", "segments")
        )
        self.assertEqual(native, files)
        self.assertEqual(memory, files)
        self.assertIn(b"fault\n", files)

    @unittest.skipUnless(BENCH and may_unshare(), "not privileged, or BENCH is not set")
    def test_native_rows_work_and_leave_nothing(self):
        script = '"$1" -k map_files -t 1 /proc/self/map_files fault pread-1m && ' \
            '"$1" -k sysvipc -t 1 /proc/sysvipc && echo && cat /proc/sysvipc/shm'
        done = subprocess.run(["unshare", "-i", "sh", "-c", script, "sh", BENCH], check=True,
                              stdout=subprocess.PIPE, text=True)
        rows, left = done.stdout.split("\n\n")
        for row in rows.splitlines():
            self.assertRegex(row, r"\A[a-z0-9-]+\t[0-9.]+\t")
        self.assertEqual(len(left.splitlines()), 1, left)


class Speed(unittest.TestCase):
    """What is shown to the readers of README."""

    def test_readme_shows_it(self):
        with open(README, encoding="utf-8") as file:
            lines = [line[4:] if line.startswith("    ") else line for line in file]
        self.assertIn(SPEED, KEPT)
        for kept in KEPT:
            done = run("-f", kept, "--brief")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(done.stdout, "".join(lines))

    def test_written_as_it_was_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "again.json")
            for kept in KEPT:
                report.write(report.read(kept), path)
                with open(path, encoding="utf-8") as again, \
                        open(kept, encoding="utf-8") as before:
                    self.assertEqual(again.read(), before.read())

    def test_chart_has_each_row(self):
        document = report.read(SPEED)
        script = chart.script(document)
        for row in table.timed_rows(document):
            self.assertIn(f"'{row['operation']}'", script)


if __name__ == "__main__":
    unittest.main()
