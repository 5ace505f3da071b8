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
            found[name].append((solved(of), None if name == "shown" else change(project.report(of))))
    print("\n| | pass@1 | pass@8 | general loss, change |")
    print("|---|---:|---:|---:|")
    for name, title in names.items():
        percent = lambda at: show([100 * scores[at]["share"] for scores, _ in found[name]], ".1f")
        cost = [cost for _, cost in found[name] if cost is not None]
        print(f"| {title} | {percent(0)} | {percent(-1)} | {show(cost) if cost else ''} |")
    first = lambda name: [100 * scores[0]["share"] for scores, _ in found[name]]
    for other in ("shown", "imitated"):
        more = [a - b for a, b in zip(first("rewarded"), first(other))]
        print(f"\nrewards solve {show(more, '+.1f')} points more than `{other}`")
    kept = [a - b for (_, a), (_, b) in zip(found["rewarded"], found["replayed"])]
    print(f"\ncurated rows keep {show(kept)} nats per token of general text")
