"""What pairs teach and cost: held-out pairs by mean log-probability of their tokens, beside what words alone say."""

import dataclasses

from . import unigrams
from .intervals import Item
from .project import Project
from .scores import GENERAL_LOSS, Measure, Score, before_and_after, difference, levels

MEASURES: list[tuple[str, Measure, str]] = [
    ("held-out pairs, right, %", {"preferred": 100}, ".1f"),
    ("more so than before, %", {"gained": 100}, ".1f"),
    ("the better answer, nats per token", {"answered": -1}, ".3f"),
    ("the worse answer", {"answered-another": -1}, ".3f"),
    ("general loss", GENERAL_LOSS, ".3f"),
]
ARMS = {
    "words": "words alone, no model",
    "start": "instructions",
    "preferred": "then pairs, with curated rows and better answers",
    "alone": "then pairs alone",
}
DIFFERENCES = [
    ("preferred", "start"),
    ("alone", "start"),
    ("preferred", "alone"),
    ("preferred", "words"),
    ("alone", "words"),
]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """A recipe that trains on pairs with curated rows (`preferred`) and without (`alone`), and its corpora."""

    recipe: str
    train: str
    held_out: str


INSTRUCTIONS = Pairs("recipes/nano/preferences.toml", "instruction-pairs", "instruction-pairs-heldout")


def gained(before: Score, after: Score) -> list[Item]:
    """Of each pair 1 where the better answer gained on the worse one, per token: what the start said is taken off."""

    def margins(score: Score) -> dict[str, float]:
        worse = {pair: nats / tokens for pair, nats, tokens in score["answered-another"]}
        return {pair: worse[pair] - nats / tokens for pair, nats, tokens in score["answered"]}

    old, new = margins(before), margins(after)
    return [(pair, float(new[pair] > old[pair]), 1.0) for pair in new]


def measured(project: Project, seeds: list[int], pairs: Pairs) -> dict[str, list[Score]]:
    words = unigrams.right(project.root / "data-manifests", pairs.train, pairs.held_out)
    found: dict[str, list[Score]] = {arm: [] for arm in ARMS}
    # Words begin with nothing, so that all they say is gained.
    found["words"] = [{"preferred": words, "gained": words}] * len(seeds)
    for seed in seeds:
        alone = project.run(pairs.recipe, seed, "-alone")
        runs = {"alone": alone, "preferred": alone.removesuffix("alone") + "preferred"}
        for arm, of in runs.items():
            start, after = before_and_after(project, of)
            found[arm].append(after | {"gained": gained(start, after)})
        found["start"].append(start)
    return found


def preferences(project: Project, seeds: list[int], pairs: Pairs = INSTRUCTIONS) -> None:
    scores = measured(project, seeds, pairs)
    known = lambda measure, *arms: all(task in scores[arm][0] for arm in arms for task in measure)
    head = f"{' | '.join(title for title, *_ in MEASURES)} |\n|---|{'---:|' * len(MEASURES)}"

    print(f"\n| | {head}")
    for arm, title in ARMS.items():
        # Words say the same with every seed.
        shown = scores[arm][:1] if arm == "words" else scores[arm]
        cells = [levels(shown, measure, form) if known(measure, arm) else "" for _, measure, form in MEASURES]
        print(f"| {title} | {' | '.join(cells)} |")
    print(f"\n| difference | {head}")
    for more, less in DIFFERENCES:
        cells = [
            difference(scores[more], scores[less], measure, f"+{form}") if known(measure, more, less) else ""
            for _, measure, form in MEASURES
        ]
        print(f"| {ARMS[more]}, minus {ARMS[less]} | {' | '.join(cells)} |")
