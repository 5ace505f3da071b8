"""Runs of a case as the text of a table's cell."""

import statistics

MISSING = "not measured"


def runs(case, side, key=None):
    """Of each run one figure; a run that is a figure itself needs no key."""
    found = case["sides"].get(side, [])
    return [run[key] if key else run for run in found]


def median(case, side, key=None, form="{:,.0f}"):
    found = runs(case, side, key)
    return form.format(statistics.median(found)) if found else MISSING


def spread(values, digits=2):
    """The median, the least and the largest."""
    if not values:
        return MISSING
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratios(upper, lower):
    """Of neighbours: a shared machine changes its speed from minute to minute, and both of a pair alike."""
    return spread([a / b for a, b in zip(upper, lower)])


def peaks(case, upper, lower, key):
    """The largest peak of one side over the largest of the other."""
    above, below = runs(case, upper, key), runs(case, lower, key)
    return f"{max(above) / max(below):.2f}" if above and below else MISSING


def table(head, rows):
    """`head` has a colon behind the names of columns of figures."""
    names = [name.rstrip(":") for name in head]
    rule = ["---:" if name.endswith(":") else "---" for name in head]
    lines = ["| " + " | ".join(cells) + " |" for cells in [names, *rows]]
    return [lines[0], "|" + "|".join(rule) + "|", *lines[1:]]


def reasons(section):
    """A line for each thing that was not measured, and why."""
    found = {}
    for name, case in section["cases"].items():
        for side, why in case["missing"].items():
            found.setdefault((side, why), []).append(name)
    return [f"{side} of {', '.join(names)}: not measured: {why}." for (side, why), names in found.items()]
