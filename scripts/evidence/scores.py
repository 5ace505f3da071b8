"""What a run scored, item by item: before and after, and how arms differ, seed by seed and item by item."""

import json
import pathlib

from .intervals import Item, over_items, ratio, show
from .project import GENERAL, Project

# Items by task.
Score = dict[str, list[Item]]
# What is told of a score: coefficients of its tasks.
Measure = dict[str, float]

GENERAL_LOSS: Measure = {task: 1 / len(GENERAL) for task in GENERAL}


def read(path: pathlib.Path) -> Score:
    """Nats and tokens of what has a loss, 1 of 1 for a choice that is right."""
    term = lambda item: (item["nats"], item["tokens"]) if item["correct"] is None else (float(item["correct"]), 1.0)
    tasks = json.loads(path.read_text(encoding="utf-8"))["score"]["tasks"]
    return {task["id"]: [(item["cluster"], *term(item)) for item in task["items"]] for task in tasks}


def before_and_after(project: Project, of: str) -> tuple[Score, Score]:
    moments = sorted((project.root / of / "evals").glob("step-*.json"))
    return read(moments[0]), read(moments[-1])


def level(score: Score, measure: Measure) -> float:
    return sum(coefficient * ratio(score[task]) for task, coefficient in measure.items())


def parts(scores: list[Score], measure: Measure, sign: int = 1) -> list[tuple[float, list[Item]]]:
    """The mean of seeds as a sum over items."""
    tasks = measure.items()
    return [(sign * coefficient / len(scores), score[task]) for score in scores for task, coefficient in tasks]


def levels(scores: list[Score], measure: Measure, form: str = "+.3f") -> str:
    return show([level(score, measure) for score in scores], form, over_items(parts(scores, measure)))


def difference(more: list[Score], less: list[Score], measure: Measure, form: str = "+.3f") -> str:
    """`more` minus `less`, paired by seed and by item."""
    by_seed = [level(a, measure) - level(b, measure) for a, b in zip(more, less)]
    return show(by_seed, form, over_items(parts(more, measure) + parts(less, measure, -1)))
