#!/usr/bin/env python3
"""What fine-tuning, preferences, rounds and rewards teach the nano checkpoint and cost it, over several seeds, as tables.

usage, from the top of the repository, after `cargo build --release`:
    python3 scripts/stage_evidence.py {instructions,preferences,rounds,sums} [--temper target/release/temper] [--seeds 17 18 19]

A run that is there already is not repeated. Figures are means over seeds, with 95 % intervals by Student's t.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import time

# Two-sided 95 %, by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}
GENERAL = ("prose", "encyclopedic", "technical")


def temper(arguments: argparse.Namespace, *call: str) -> str:
    found = subprocess.run([arguments.temper, *call], check=True, capture_output=True, text=True)
    return found.stdout


def run(arguments: argparse.Namespace, recipe: str, seed: int, last: str = "") -> tuple[str, float]:
    """Runs a recipe with a seed unless that was done; the last run of it, and the seconds it took just now."""
    name = f"{pathlib.Path(recipe).stem}-{seed}"
    of = f"runs/{name}{last}"
    if pathlib.Path(of, "outcome.json").exists():
        return of, 0.0
    started = time.monotonic()
    temper(arguments, "run", recipe, "--set", f"seed={seed}", "--set", f"name={name}")
    seconds = time.monotonic() - started
    print(f"# {name}: {seconds:.0f} s", flush=True)
    return of, seconds


def report(arguments: argparse.Namespace, of: str) -> dict:
    return json.loads(temper(arguments, "report", of, "--json"))


def task(report: dict, name: str, moment: str) -> float:
    return next(task[moment] for task in report["forgetting"]["tasks"] if task["task"] == name)


def general(report: dict, moment: str) -> float:
    return statistics.mean(task(report, name, moment) for name in GENERAL)


def show(values: list[float], form: str = "+.3f") -> str:
    """Mean and interval; of one seed the value alone."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:{form}}"
    half = STUDENT[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:{form}} ({mean - half:{form}} to {mean + half:{form}})"


def instructions(arguments: argparse.Namespace) -> None:
    arms = {
        "roles, mixed": "recipes/nano/instructions.toml",
        "roles, alone": "recipes/nano/instructions-alone.toml",
        "the same text without roles, mixed": "recipes/nano/instructions-plain.toml",
    }
    found = {}
    for arm, recipe in arms.items():
        found[arm] = [report(arguments, run(arguments, recipe, seed)[0]) for seed in arguments.seeds]
    print("\n| arm | loss of the right answer | another answer, beyond the right one | before | general loss, change |")
    print("|---|---:|---:|---:|---:|")
    gap = lambda report, moment: task(report, "answered-another", moment) - task(report, "answered", moment)
    for arm, reports in found.items():
        right = show([task(report, "answered", "after") for report in reports])
        gaps = show([gap(report, "after") for report in reports])
        before = f"{gap(reports[0], 'before'):+.3f}"
        cost = show([general(report, "after") - general(report, "before") for report in reports])
        print(f"| {arm} | {right} | {gaps} | {before} | {cost} |")
    first, *_, plain = found.values()
    more = [gap(a, "after") - gap(b, "after") for a, b in zip(first, plain)]
    print(f"\nroles against none: the gap is larger by {show(more)} nats per token")


def preferences(arguments: argparse.Namespace) -> None:
    """Held-out pairs, by mean log-probability of their tokens; what words alone say is one half, by construction."""
    arms = {"preferred": "then pairs, with curated rows and better answers", "alone": "then pairs alone"}
    found = {name: [] for name in arms}
    for seed in arguments.seeds:
        run(arguments, "recipes/nano/preferences.toml", seed, "-alone")
        for name in arms:
            found[name].append(report(arguments, f"runs/preferences-{seed}-{name}"))
    print("\n| | held-out pairs, right | the better answer, nats per token | general loss, change |")
    print("|---|---:|---:|---:|")
    percent = lambda name, moment: show([100 * task(one, "preferred", moment) for one in found[name]], ".1f")
    likely = lambda name, moment: show([-task(one, "answered", moment) for one in found[name]])
    print(f"| instructions | {percent('preferred', 'before')} | {likely('preferred', 'before')} | |")
    for name, title in arms.items():
        cost = show([general(one, "after") - general(one, "before") for one in found[name]])
        print(f"| {title} | {percent(name, 'after')} | {likely(name, 'after')} | {cost} |")


def rounds(arguments: argparse.Namespace) -> None:
    print("\n| seed | round | documents, new | seen before | chemistry, this round | since the first start | general, since |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for seed in arguments.seeds:
        run(arguments, "recipes/nano/rounds.toml", seed, "-third")
        before: set[str] = set()
        for name in ("first", "second", "third"):
            of = f"runs/rounds-{seed}-{name}"
            sql = "SELECT DISTINCT document_ids FROM segments WHERE source LIKE 'chem%'"
            ids = {line["document_ids"] for line in json.loads(temper(arguments, "query", of, sql, "--json"))}
            found = report(arguments, of)
            change = lambda report, name: task(report, name, "after") - task(report, name, "before")
            since = found["since"]
            lost = general(since, "after") - general(since, "before")
            print(
                f"| {seed} | {name} | {len(ids):,} | {len(ids & before)} | {change(found, 'chemistry'):+.3f} "
                f"| {change(since, 'chemistry'):+.3f} | {lost:+.3f} |"
            )
            before |= ids


def sums(arguments: argparse.Namespace) -> None:
    asked = ("--prompts", "sums-heldout", "--verifier", "exact", "--samples", "8", "--max-tokens", "8", "--json")
    solved = lambda of: json.loads(temper(arguments, "eval", of, *asked))["pass"]
    names = {
        "shown": "demonstrations",
        "imitated": "then more of them",
        "rewarded": "then rewards",
        "replayed": "then rewards, with curated rows",
    }
    found = {name: [] for name in names}
    change = lambda loss: general(loss, "after") - general(loss, "before")
    for seed in arguments.seeds:
        run(arguments, "recipes/nano/sums.toml", seed, "-replayed")
        for name in names:
            of = f"runs/sums-{seed}-{name}"
            found[name].append((solved(of), None if name == "shown" else change(report(arguments, of))))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["instructions", "preferences", "rounds", "sums"])
    parser.add_argument("--temper", default="target/release/temper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[17, 18, 19])
    arguments = parser.parse_args()
    tables = {"instructions": instructions, "preferences": preferences, "rounds": rounds, "sums": sums}
    tables[arguments.what](arguments)


if __name__ == "__main__":
    main()
