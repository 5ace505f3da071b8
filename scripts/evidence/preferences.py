"""What pairs teach and cost: held-out pairs by mean log-probability of their tokens, beside what words alone say."""

import dataclasses

from . import unigrams
from .project import Project
from .scores import GENERAL_LOSS, Measure, before_and_after, difference, levels

# Held-out pairs, right, in percent; the better answer, nats per token; general loss.
MEASURES: list[tuple[Measure, str]] = [({"preferred": 100}, ".1f"), ({"answered": -1}, "+.3f"), (GENERAL_LOSS, ".3f")]
HEAD = "held-out pairs, right, % | the better answer, nats per token | general loss |\n|---|---:|---:|---:|"


@dataclasses.dataclass(frozen=True)
class Pairs:
    """A recipe that trains on pairs with curated rows (`preferred`) and without (`alone`), and its corpora."""

    recipe: str
    train: str
    held_out: str


INSTRUCTIONS = Pairs("recipes/nano/preferences.toml", "instruction-pairs", "instruction-pairs-heldout")


def preferences(project: Project, seeds: list[int], pairs: Pairs = INSTRUCTIONS) -> None:
    scores: dict[str, list] = {"start": [], "preferred": [], "alone": []}
    for seed in seeds:
        alone = project.run(pairs.recipe, seed, "-alone")
        start, after = before_and_after(project, alone)
        scores["start"].append(start)
        scores["alone"].append(after)
        preferred = alone.removesuffix("alone") + "preferred"
        scores["preferred"].append(before_and_after(project, preferred)[1])
    words = [{"preferred": unigrams.right(project.root / "data-manifests", pairs.train, pairs.held_out)}] * len(seeds)

    print(f"\n| | {HEAD}")
    right, form = MEASURES[0]
    print(f"| words alone, no model | {levels(words[:1], right, form)} | | |")
    titles = {
        "start": "instructions",
        "preferred": "then pairs, with curated rows and better answers",
        "alone": "then pairs alone",
    }
    for arm, title in titles.items():
        print(f"| {title} | {' | '.join(levels(scores[arm], measure, form) for measure, form in MEASURES)} |")

    print(f"\n| difference | {HEAD}")
    for title, more, less in (
        ("with curated rows, minus instructions", "preferred", "start"),
        ("alone, minus instructions", "alone", "start"),
        ("with curated rows, minus alone", "preferred", "alone"),
    ):
        cells = [difference(scores[more], scores[less], measure, f"+{form.lstrip('+')}") for measure, form in MEASURES]
        print(f"| {title} | {' | '.join(cells)} |")
    for title, arm in (("instructions", "start"), ("with curated rows", "preferred"), ("alone", "alone")):
        print(f"| {title}, minus words alone | {difference(scores[arm], words, right, '+.1f')} | | |")
