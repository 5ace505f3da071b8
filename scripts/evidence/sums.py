"""What rewards for right sums teach and cost, beside demonstrations and more of them."""

import json

from .intervals import show
from .project import Project, general


def sums(project: Project, seeds: list[int]) -> None:
    asked = ("--prompts", "sums-heldout", "--verifier", "exact", "--samples", "8", "--max-tokens", "8", "--json")
    solved = lambda of: json.loads(project.ask("eval", of, *asked))["pass"]
    names = {
        "shown": "demonstrations",
        "imitated": "then more of them",
        "rewarded": "then rewards",
        "replayed": "then rewards, with curated rows",
    }
    found = {name: [] for name in names}
    change = lambda loss: general(loss, "after") - general(loss, "before")
    for seed in seeds:
        project.run("recipes/nano/sums.toml", seed, "-replayed")
        for name in names:
            of = f"runs/sums-{seed}-{name}"
            found[name].append((solved(of), change(project.report(of))))
    percent = lambda name, at: [100 * scores[at]["share"] for scores, _ in found[name]]
    cost = lambda name: [cost for _, cost in found[name]]
    less = lambda ours, theirs: [a - b for a, b in zip(ours, theirs)]
    print("\n| | pass@1 | pass@8 | general loss, against its start |")
    print("|---|---:|---:|---:|")
    for name, title in names.items():
        print(f"| {title} | {show(percent(name, 0), '.1f')} | {show(percent(name, -1), '.1f')} | {show(cost(name))} |")
    for ours in ("rewarded", "replayed"):
        for other in ("shown", "imitated"):
            one, eight = (show(less(percent(ours, at), percent(other, at)), "+.1f") for at in (0, -1))
            print(f"\n`{ours}` over `{other}`: {one} points of pass@1, {eight} of pass@8")
    print(f"\ncurated rows keep {show(less(cost('rewarded'), cost('replayed')))} nats per token of general text")
