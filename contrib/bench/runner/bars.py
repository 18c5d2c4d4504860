# SPDX-License-Identifier: MIT
"""What must be reached: see contrib/bench/bars for what a file of bars looks like."""

import options


class Bar:
    def __init__(self, words):
        self.operation, self.side, self.what, number, *self.other = words
        self.number = float(number)
        if self.what not in ("speed", "requests") or \
                len(self.other) != (self.what == "speed"):
            raise ValueError

    def __str__(self):
        if self.what == "requests":
            return f"{self.operation}, {self.side}: at most {self.number:g} requests"
        return f"{self.operation}, {self.side}: at least {self.number:g} of {self.other[0]}"

    def measured(self, cells):
        """None where it was not."""
        mine = cells.get(self.side, {})
        if self.what == "requests":
            return mine.get("requests")
        other = cells.get(self.other[0], {})
        if not mine.get("median_ns") or not other.get("median_ns"):
            return None
        return other["median_ns"] / mine["median_ns"]

    def holds(self, value):
        return value <= self.number if self.what == "requests" else value >= self.number


def read(path):
    bars = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split("#")[0].split()
            try:
                bars += [Bar(words)] if words else []
            except ValueError:
                options.refuse(f"{path}:{number}: not OPERATION SIDE speed FACTOR SIDE and "
                               "not OPERATION SIDE requests NUMBER")
    return bars


def verdict(bar, rows):
    value = bar.measured(rows.get(bar.operation, {}))
    if value is None:
        return "not measured", ""
    return ("PASS" if bar.holds(value) else "FAIL"), f"{value:.3g}"


def check(document, bars):
    """Prints a line for each: True if none that was measured is missed."""
    rows = {row["operation"]: row["sides"] for row in document["rows"]}
    verdicts = [(bar, *verdict(bar, rows)) for bar in bars]
    if bars:
        print()
    for bar, outcome, value in verdicts:
        print(f"{outcome:12}  {value:>8}  {bar}")
    missed = sum(outcome == "FAIL" for _, outcome, _ in verdicts)
    if bars:
        print(f"{sum(o == 'PASS' for _, o, _ in verdicts)} bars reached, {missed} missed, "
              f"{sum(o == 'not measured' for _, o, _ in verdicts)} not measured")
    return missed == 0
