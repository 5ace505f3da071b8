"""Intervals of 95 %: over seeds, and over the items of a suite."""

import collections
import math
import statistics

# Two-sided, by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
MOST_SEEDS = 1 + max(STUDENT)
NORMAL = 1.960

# What an item adds to a ratio of sums: its cluster, its value, its weight.
Item = tuple[str, float, float]


def show(values: list[float], form: str = "+.3f", items: float | None = None) -> str:
    """Mean of seeds with its interval, by Student's t, and the one over items, of which `items` is half."""
    mean = statistics.mean(values)
    around = lambda half: f"{mean - half:{form}} to {mean + half:{form}}"
    found = []
    if len(values) > 1:
        found.append(around(STUDENT[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))))
    if items is not None:
        found.append(f"items {around(items)}")
    return f"{mean:{form}}" + (f" ({'; '.join(found)})" if found else "")


def ratio(items: list[Item]) -> float:
    return sum(value for _, value, _ in items) / sum(weight for *_, weight in items)


def over_items(parts: list[tuple[float, list[Item]]]) -> float:
    """Half the interval of Σ coefficient × ratio, by linearisation (Cochran 1977, Sampling Techniques, chapter 6).

    A cluster counts once over all parts, so that parts with a minus are paired with those they are taken from.
    """
    influence: dict[str, float] = collections.defaultdict(float)
    for coefficient, items in parts:
        mean, total = ratio(items), sum(weight for *_, weight in items)
        residuals: dict[str, float] = collections.defaultdict(float)
        for cluster, value, weight in items:
            residuals[cluster] += value - mean * weight
        small = math.sqrt(len(residuals) / max(len(residuals) - 1, 1))
        for cluster, residual in residuals.items():
            influence[cluster] += coefficient * small * residual / total
    return NORMAL * math.sqrt(sum(one * one for one in influence.values()))
