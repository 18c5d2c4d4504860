# SPDX-License-Identifier: MIT
"""The tables for people."""

import errno
import os

import report

WIDTH = 140


def human_time(ns):
    if ns is None:
        return "-"
    for unit, size in (("ns", 1), ("us", 1e3), ("ms", 1e6)):
        if ns < 999.5 * size:
            break
    else:
        unit, size = "s", 1e9
    value = ns / size
    digits = 0 if unit == "ns" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def human_ratio(value):
    if value is None:
        return ""
    if value < 0.0005:
        return "<.001"
    digits = 0 if value >= 99.5 else 1 if value >= 9.95 else 2 if value >= 0.0995 else 3
    return f"{value:.{digits}f}"


def human_count(value):
    if value is None:
        return "-"
    if value >= 9999.5:
        return f"{value / 1000:.0f}k"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def spread(cell):
    """The quartiles' distance, in percent of the median."""
    if not cell["median_ns"]:
        return "-"
    return f"{100 * (cell['upper_ns'] - cell['lower_ns']) / cell['median_ns']:.0f}%"


def time_pair(name, cell):
    time = human_time(cell["median_ns"])
    if name == "native":
        return [time]
    return [time, human_ratio(cell.get("of_native"))]


def cost_triple(_name, cell):
    cpu = "-" if cell["cpu"] is None else f"{cell['cpu']:.2f}"
    return [spread(cell), cpu, human_count(cell["requests"])]


def widths(block):
    return [max(len(row[i]) for row in block) for i in range(len(block[0]))]


def align(cells, column_widths):
    return " ".join(cell.rjust(width) for cell, width in zip(cells, column_widths))


def side_column(name, cells, titles):
    """Lines of one side: its name, the titles if there are any, and its cells."""
    block = [titles, *cells] if titles else cells
    column_widths = widths(block)
    lines = [align(row, column_widths) for row in block]
    width = max(len(name), len(lines[0]))
    return [line.rjust(width) for line in [name, *lines]]


def first_column(document, titles):
    lines = ["operation"] + ([""] if titles else [])
    lines += [row["operation"] for row in timed_rows(document)]
    width = max(map(len, lines))
    return [line.ljust(width) for line in lines]


def comparison_column(document):
    """The default side of ours compared with the best of the others."""
    ours = next((s["name"] for s in document["sides"] if s["kind"] == "ours"), None)
    rows = timed_rows(document)
    if not any(row["of_best_other"].get(ours) for row in rows):
        return []
    cells = []
    for row in rows:
        value = row["of_best_other"].get(ours)
        cells.append([human_ratio(value), row["best_other"] if value else "-"])
    width = max(len(cell[1]) for cell in cells)
    cells = [[cell[0], cell[1].ljust(width)] for cell in cells]
    return [side_column("to best other", cells, None)]


def timed_rows(document):
    return [row for row in document["rows"] if not report.is_delay(row)]


def join(first, columns):
    """Columns beside each other, and where they are too many for a line, below."""
    parts, part = [], [first]
    for column in columns:
        if len(part) > 1 and sum(len(c[0]) + 2 for c in [*part, column]) - 2 > WIDTH:
            parts.append(part)
            part = [first]
        part.append(column)
    parts.append(part)
    return "\n\n".join(
        "\n".join("  ".join(cells).rstrip() for cells in zip(*part)) for part in parts
    )


def tabulate(document, cells_of, titles, last):
    columns = []
    for side in document["sides"]:
        cells = [cells_of(side["name"], row["sides"][side["name"]])
                 for row in timed_rows(document)]
        columns.append(side_column(side["name"], cells, titles))
    return join(first_column(document, titles), columns + last)


def human_error(error):
    """Of a delay: the benchmark program waits for no more than a second."""
    return "more than 1 s" if error == os.strerror(errno.ETIMEDOUT) else error


def delays(document):
    for row in document["rows"]:
        for side in document["sides"]:
            cell = row["sides"][side["name"]]
            if cell["tail_ns"]:
                yield (f"{row['operation']}, {side['name']}: median "
                       f"{human_time(cell['median_ns'])}, 99.9th percentile "
                       f"{human_time(cell['tail_median_ns'])}")
            elif report.is_delay(row) and cell["error"]:
                yield f"{row['operation']}, {side['name']}: {human_error(cell['error'])}"


def human_memory(kib):
    return f"{kib / 1024:.1f} MiB"


def memory(document):
    known = [s for s in document["sides"] if s["peak_kib"]]
    if not known:
        return []
    listed = ", ".join(f"{s['name']} {human_memory(s['peak_kib'])}" for s in known)
    return [f"peak memory of the servers: {listed}"]


def problems(document):
    for side in document["sides"]:
        if side["failure"]:
            yield f"{side['name']} was lost on the way: {side['failure']}"
    for name in document["missing"]:
        yield f"{name} was not measured in this run"


def setting(document):
    m = document["machine"]
    virtual = f" ({m['virtual']})" if m["virtual"] != "none" else ""
    return (f"{m['system']}, Linux {m['kernel']}, {m['processors']} x {m['processor']}"
            f"{virtual}; shmfs {document['versions']['shmfs']}, {document['date']}")


def legend(document):
    words = f"medians of {document['rounds']} rounds; beside them the speed, native being 1"
    if report.kind(document) == "sysv":
        words += ("\nnative: memcpy from and to an attachment, shmctl, shmat and shmdt, "
                  "shmget, /proc/sysvipc/shm")
    return words


def render(document, brief):
    parts = []
    if timed_rows(document):
        parts.append(tabulate(document, time_pair, None, comparison_column(document)))
        parts.append(legend(document))
    if timed_rows(document) and not brief:
        titles = ["+-", "cpu", "req"]
        parts.append(tabulate(document, cost_triple, titles, []))
        parts.append("+-: distance of the quartiles; cpu: seconds of the server's CPU time per "
                     "second;\nreq: requests that the caller of one operation waits for")
    notes = [*delays(document), *memory(document), *problems(document), setting(document)]
    parts.append("\n".join(notes))
    return "\n\n".join(parts)
