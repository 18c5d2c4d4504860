# SPDX-License-Identifier: MIT
"""The chart: how fast each side is, native being 1, on a logarithmic scale.

The side that shmfs is by default is bars, the others are points, so that a row needs one
line whatever number of sides there is. gnuplot draws it.
"""

import math
import subprocess

import report
import table

# Legible on white, and to those who see no difference between red and green.
BAR = "#9ecae1"
COLORS = ["#08519c", "#e66101", "#5e3c99", "#1b7837", "#b2182b", "#666666"]
POINTS = [7, 9, 5, 13, 11, 15]
ROW = 22
WIDTH = 860

SCRIPT = """\
set terminal svg size {width},{height} font "sans-serif,13" background "#ffffff" noenhanced
set margins screen {left},screen 0.97,screen {bottom},screen {top}
set logscale x
set xrange [{least}:{most}]
set yrange [{rows}-0.4:-0.6]
set ytics ({tics}) scale 0
set xtics ({xtics})
set mxtics 10
set grid xtics lc rgb "#dddddd" lt 1
set border 1 lc rgb "#444444"
set xlabel "speed (native = 1)"
set mytics 1
set label 1 {title} at screen 0.5,{title_at} center noenhanced
set key at screen 0.5,{key_at} center top horizontal reverse Left maxrows {key_rows} \
	samplen 1.5 width 2
set style fill solid 1.0 noborder
set arrow 1 from 1,graph 0 to 1,graph 1 nohead lc rgb "#444444" lw 1.5 front
{data}
plot {plots}
"""


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def speeds(rows, name):
    """Pairs of a row's number and the speed there."""
    return [(i, row["sides"][name]["of_native"]) for i, row in enumerate(rows)
            if row["sides"][name].get("of_native")]


def data_block(number, points):
    return "\n".join([f"$side{number} << EOD", *(f"{x:.6g} {y}" for y, x in points), "EOD"])


def bar_plot(number, name):
    box = f"$side{number} using 1:2:(least):1:($2-0.36):($2+0.36)"
    return f"{box} with boxxyerror lc rgb '{BAR}' title {quoted('shmfs: ' + name)}"


def point_plot(number, side, style):
    label = f"shmfs: {side['name']}" if side["kind"] == "ours" else side["name"]
    return (f"$side{number} using 1:2 with points pt {POINTS[style % len(POINTS)]} ps 0.75 "
            f"lc rgb '{COLORS[style % len(COLORS)]}' title {quoted(label)}")


def decades(least, most):
    exponents = range(round(math.log10(least)), round(math.log10(most)) + 1)
    return ", ".join(f'"{10 ** e:g}" {10 ** e:g}' for e in exponents)


def title(document):
    m = document["machine"]
    return (f"{m['system']}, Linux {m['kernel']}, {m['processors']} x {m['processor']}"
            f"{'' if m['virtual'] == 'none' else ' (' + m['virtual'] + ')'}")


def script(document):
    rows = table.timed_rows(document)
    sides = [side for side in document["sides"] if side["name"] != "native"]
    points = [speeds(rows, side["name"]) for side in sides]
    values = [x for side in points for _, x in side]
    if not values:
        raise SystemExit("bench: nothing to draw: no side was measured beside native")
    least = 10 ** math.floor(math.log10(min(values)))
    most = max(2, 1.3 * max(values))
    first = next((i for i, side in enumerate(sides) if side["kind"] == "ours"), None)
    plots, styles = [], 0
    for i, side in enumerate(sides):
        if i == first:
            plots.insert(0, bar_plot(i, side["name"]))
        elif points[i]:
            plots.append(point_plot(i, side, styles))
            styles += 1
    height = ROW * len(rows) + 150
    return SCRIPT.format(
        width=WIDTH, height=height, left=0.18, bottom=56 / height, top=1 - 88 / height,
        title_at=1 - 18 / height, key_at=1 - 32 / height,
        least=f"{least:g}", most=f"{most:g}", rows=len(rows), key_rows=2,
        tics=", ".join(f"{quoted(row['operation'])} {i}" for i, row in enumerate(rows)),
        xtics=decades(least, most), title=quoted(title(document)),
        data="\n".join([f"least = {least:g}"] + [
            data_block(i, side) for i, side in enumerate(points)]),
        plots=", \\\n\t".join(plots),
    )


def draw(document, path):
    done = subprocess.run(["gnuplot", "-"], input=script(document).encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    words = done.stderr.decode(errors="replace").strip()
    if done.returncode != 0 or not done.stdout:
        raise SystemExit(f"bench: gnuplot: {words}")
    report.write_file(path, done.stdout.decode())
