"""What fine-tuning on short instructions teaches: as conversations with curated text, alone, and without roles."""

from .project import Project
from .scores import GENERAL_LOSS, Measure, before_and_after, difference, levels

ANSWERED: Measure = {"answered": 1}
GAP: Measure = {"answered-another": 1, "answered": -1}
ARMS = {
    "roles, mixed": "recipes/nano/instructions.toml",
    "roles, alone": "recipes/nano/instructions-alone.toml",
    "the same text without roles, mixed": "recipes/nano/instructions-plain.toml",
}


def instructions(project: Project, seeds: list[int]) -> None:
    before, after = {}, {}
    for arm, recipe in ARMS.items():
        scores = [before_and_after(project, project.run(recipe, seed)) for seed in seeds]
        before[arm], after[arm] = map(list, zip(*scores))
    print("\n| arm | loss of the right answer | another answer, beyond the right one | before | general loss, change |")
    print("|---|---:|---:|---:|---:|")
    for arm in ARMS:
        right, gap = levels(after[arm], ANSWERED, ".3f"), levels(after[arm], GAP)
        cost = difference(after[arm], before[arm], GENERAL_LOSS)
        print(f"| {arm} | {right} | {gap} | {levels(before[arm][:1], GAP)} | {cost} |")
    first, *others = ARMS
    print(f"\n| {first}, minus | another answer, beyond the right one | general loss |\n|---|---:|---:|")
    for other in others:
        cells = [difference(after[first], after[other], measure) for measure in (GAP, GENERAL_LOSS)]
        print(f"| {other} | {' | '.join(cells)} |")
