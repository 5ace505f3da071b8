#!/usr/bin/env python3
"""Runs the three quickstart arms over several seeds and prints them side by side.

usage, from the top of the repository, after `cargo build --release`:
    python3 scripts/quickstart_arms.py [--temper target/release/temper] [--seeds 17 18 19]

A run that is there already is not repeated.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import time

ARMS = {
    "mix": "recipes/quickstart.toml",
    "customer only": "recipes/quickstart-customer-only.toml",
    "curated only": "recipes/quickstart-curated-only.toml",
}


def run(temper: str, recipe: str, seed: int) -> dict:
    """The report of one arm; `seconds` and `peak_mib` are there when it ran just now."""
    name = f"{pathlib.Path(recipe).stem}-seed-{seed}"
    if not pathlib.Path("runs", name, "outcome.json").exists():
        started = time.monotonic()
        command = [temper, "run", recipe, "--set", f"seed={seed}", "--set", f"name={name}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"# {name}: {time.monotonic() - started:.0f} s", flush=True)
    report = subprocess.run([temper, "report", f"runs/{name}", "--json"], check=True, capture_output=True)
    return json.loads(report.stdout)


def group_loss(report: dict, group: str, moment: str) -> float:
    """Mean over the group's tasks that are scored by loss, nats per token."""
    tasks = report["forgetting"]["tasks"]
    return statistics.mean(task[moment] for task in tasks if task["group"] == group and task["metric"] == "loss")


def show(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temper", default="target/release/temper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[17, 18, 19])
    arguments = parser.parse_args()

    reports = {arm: [run(arguments.temper, recipe, seed) for seed in arguments.seeds] for arm, recipe in ARMS.items()}
    loss = {
        (arm, group): [group_loss(report, group, "after") for report in reports[arm]]
        for arm in ARMS
        for group in ("general", "customer")
    }
    before = {group: group_loss(reports["mix"][0], group, "before") for group in ("general", "customer")}
    tasks = [(task["task"], task["metric"]) for task in reports["mix"][0]["forgetting"]["tasks"]]

    print("\n| task | measure | before | " + " | ".join(ARMS) + " |")
    print("|---|---|---:|" + "---:|" * len(ARMS))
    for index, (task, metric) in enumerate(tasks):
        start = reports["mix"][0]["forgetting"]["tasks"][index]["before"]
        cells = [show([report["forgetting"]["tasks"][index]["after"] for report in reports[arm]]) for arm in ARMS]
        print(f"| {task} | {metric} | {start:.3f} | " + " | ".join(cells) + " |")
    for group in ("general", "customer"):
        cells = [show(loss[arm, group]) for arm in ARMS]
        print(f"| **mean {group} loss** | loss | {before[group]:.3f} | " + " | ".join(cells) + " |")

    mean = {key: statistics.mean(values) for key, values in loss.items()}
    rise = mean["customer only", "general"] - mean["curated only", "general"]
    removed = 1 - (mean["mix", "general"] - mean["curated only", "general"]) / rise
    kept = (before["customer"] - mean["mix", "customer"]) / (before["customer"] - mean["customer only", "customer"])
    print(f"\nforgetting of the customer-only arm beyond re-warming: {rise:+.3f} nats per token")
    print(f"removed by the mix: {100 * removed:.0f} %; customer gain kept by the mix: {100 * kept:.0f} %")


if __name__ == "__main__":
    main()
