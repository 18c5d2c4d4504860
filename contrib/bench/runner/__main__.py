# SPDX-License-Identifier: MIT
"""The benchmark of contrib/bench/run: the order of things."""

import json
import os
import subprocess
import sys

import bars
import chart
import measuring
import namespaces
import options
import paths
import report
import table


def prepare(*what):
    if subprocess.run([paths.PREPARE, *what]).returncode != 0:
        raise SystemExit(1)


def check_operations(kind, names):
    known = measuring.operations(kind)
    for name in names:
        if name not in known:
            options.refuse(f"no operation {name}; there are: {' '.join(known)}")
    return names or known


def read_bars(chosen, kind):
    if not chosen.bars:
        return []
    return bars.read(paths.BARS[kind] if chosen.bars is options.BUILT_IN else chosen.bars)


def measure(chosen):
    """Returns the document of a new run."""
    if os.geteuid() != 0:
        raise SystemExit("bench: to be run as root: it mounts")
    prepare()
    names = check_operations(chosen.kind, chosen.operations)
    text = namespaces.run(lambda work: json.dumps(measuring.run(work, chosen, names)))
    return report.rounded(json.loads(text))


def main():
    chosen = options.parse()
    document = report.read(chosen.file) if chosen.file else None
    wanted = read_bars(chosen, report.kind(document) if document else chosen.kind)
    if chosen.chart:
        prepare("chart")
    if not document:
        document = measure(chosen)
        report.summarize(document)
    if chosen.json:
        report.write(document, chosen.json)
    view = report.select(document, chosen.sides, chosen.operations)
    print(table.render(view, chosen.brief))
    if chosen.chart:
        chart.draw(view, chosen.chart)
    reached = bars.check(document, wanted)
    lost = [side["name"] for side in document["sides"] if side["failure"]]
    return 0 if reached and not lost else 1


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit("bench: interrupted")
