# SPDX-License-Identifier: MIT
"""The document of a run: what was measured, and what follows from it.

Each row has a cell for each side; of a cell, lists are what was measured in each round.
summarize() adds the rest: median_ns, lower_ns and upper_ns (the quartiles), of_native (the
speed, native being 1), cpu (CPU seconds of the server per second), tail_median_ns; and to a
row the fastest other file system, "best_other", and how fast ours are compared to it,
"of_best_other".
"""

import json
import os
import statistics

import options


def kind(document):
    """The kind of shared memory; once there was only one."""
    return document.get("kind", "posix")


def middle(values):
    return statistics.median(values) if values else None


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    cut = statistics.quantiles(values, n=4, method="inclusive")
    return cut[0], cut[2]


def ratio(above, below):
    return above / below if above is not None and below else None


def summarize_cell(cell):
    cell["median_ns"] = middle(cell["ns"])
    if cell["ns"]:
        cell["lower_ns"], cell["upper_ns"] = quartiles(cell["ns"])
    cell["tail_median_ns"] = middle(cell["tail_ns"])
    shares = [cpu / ns for cpu, ns in zip(cell["cpu_ns"], cell["ns"]) if ns]
    cell["cpu"] = middle(shares)


def is_delay(row):
    return any(cell["tail_ns"] for cell in row["sides"].values())


def summarize_row(row, kinds):
    cells = row["sides"]
    for cell in cells.values():
        summarize_cell(cell)
    medians = {name: cell["median_ns"] for name, cell in cells.items() if cell["ns"]}
    others = [name for name in medians if kinds[name] == "other"]
    best = min(others, key=medians.get, default=None)
    row["best_other"] = None if is_delay(row) else best
    row["of_best_other"] = {}
    for name, median in medians.items():
        if is_delay(row):
            continue
        cells[name]["of_native"] = ratio(medians.get("native"), median)
        if kinds[name] == "ours" and best:
            row["of_best_other"][name] = ratio(medians[best], median)


def summarize(document):
    kinds = {side["name"]: side["kind"] for side in document["sides"]}
    for row in document["rows"]:
        summarize_row(row, kinds)


def select(document, names, operations):
    """The same, with these sides and rows only: all of them where there are none."""
    known = [side["name"] for side in document["sides"]]
    listed = [row["operation"] for row in document["rows"]]
    return {
        **document,
        "sides": [s for s in document["sides"] if not names or s["name"] in names],
        "rows": [r for r in document["rows"]
                 if not operations or r["operation"] in operations],
        "missing": [n for n in names or [] if n not in known] +
                   [o for o in operations or [] if o not in listed],
    }


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if document["format"] != 1:
            raise ValueError(f"format {document['format']} is not known")
        summarize(document)
    except OSError as error:
        options.refuse(f"{path}: {error.strerror}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        options.refuse(f"{path}: not what -j writes ({error})")
    return document


def write_file(path, text):
    """All of it or nothing: one that is there is replaced only by a whole one."""
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise SystemExit(f"bench: {path}: {error.strerror}") from None


def rounded(value):
    """The same with six digits of each number, which is more than was measured."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def write(document, path):
    """As JSON, a line for each row."""
    lines = []
    for key, value in rounded(document).items():
        if key == "rows":
            text = "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
        else:
            text = json.dumps(value)
        lines.append(f"{json.dumps(key)}: {text}")
    write_file(path, "{\n" + ",\n".join(lines) + "\n}\n")
