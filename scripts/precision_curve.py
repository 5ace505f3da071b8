#!/usr/bin/env python3
"""Holds the losses of a run in bfloat16 against the same run in 32-bit floats, for docs/performance.md.

usage, from the top of the repository, after `cargo build --release` (some minutes a run on 2 cores; Python 3.11):
    python3 scripts/precision_curve.py [--temper target/release/temper] [--steps 500] [--device cpu]

nano from random weights on the mix of the first stage of recipes/nano/chain.toml, by AdamW, 4 rows of 256 positions a step,
no suite. Beside bfloat16 stands another order of sums, four lanes instead of one in 32-bit floats: how far two roundings part anyway.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS, LENGTH = 4, 256
# One that all trainers have.
OPTIMIZER = {"lr": 3e-3, "schedule": {"kind": "wsd", "warmup": 0.02, "decay": 0.2, "min_lr": 1e-4}}
RUNS = {
    "32-bit floats": {"precision": "f32", "micro_batch_size": ROWS},
    "bf16": {"precision": "bf16", "micro_batch_size": ROWS},
    "32-bit floats, four lanes instead of one": {"precision": "f32", "micro_batch_size": 1},
}


def recipe(name: str, steps: int, training: dict) -> dict:
    """The chain's first stage as a recipe of its own, with another optimizer."""
    chain = tomllib.loads((ROOT / "recipes/nano/chain.toml").read_text())
    stage, *_ = chain.pop("stages")
    joined = {key: {**chain.get(key, {}), **value} if isinstance(value, dict) else value for key, value in stage.items()}
    whole = {**chain, **joined, "name": name}
    del whole["forgetting"]
    batch = {"max_steps": steps, "sequence_length": LENGTH, "global_batch_size": ROWS}
    optimizer = {**chain["optimizer"], **OPTIMIZER}
    checkpoint = {**chain["checkpoint"], "every": steps}
    return {**whole, "optimizer": optimizer, "training": {**batch, **training}, "checkpoint": checkpoint}


def losses(temper: pathlib.Path, folder: pathlib.Path, name: str, device: str) -> list[float]:
    """Of each step, nats per token."""
    run = [temper, "run", f"recipes/{name}.yaml", "--device", device]
    query = [temper, "query", f"runs/{name}", "SELECT loss FROM steps ORDER BY step", "--json"]
    subprocess.run(run, cwd=folder, check=True, stdout=sys.stderr)
    rows = subprocess.run(query, cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    return [row["loss"] for row in json.loads(rows)]


def compared(found: list[float], reference: list[float], window: int) -> list[str]:
    """Relative differences: of the mean of all steps, of windows' means at most, and of a step on average."""
    def means(values: list[float]) -> list[float]:
        return [statistics.mean(values[at:at + window]) for at in range(0, len(values), window)]

    def apart(left: list[float], right: list[float]) -> list[float]:
        return [abs(a / b - 1) for a, b in zip(left, right, strict=True)]

    whole = statistics.mean(found) / statistics.mean(reference) - 1
    windows, steps = apart(means(found), means(reference)), apart(found, reference)
    return [f"{100 * whole:+.2f} %", f"{100 * max(windows):.2f} %", f"{100 * statistics.mean(steps):.2f} %"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temper", type=pathlib.Path, default=ROOT / "target/release/temper")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in ("recipes", "data-manifests"):
            shutil.copytree(ROOT / part, folder / part)
        curves = {}
        for at, (what, training) in enumerate(RUNS.items()):
            text = json.dumps(recipe(f"curve-{at}", arguments.steps, training))
            # JSON is YAML.
            (folder / f"recipes/curve-{at}.yaml").write_text(text)
            curves[what] = losses(arguments.temper.absolute(), folder, f"curve-{at}", arguments.device)
        device = json.loads((folder / "runs/curve-0/run.json").read_text())["info"]["device_kind"]
    (_, reference), *others = curves.items()
    print(f"{len(reference)} steps on `{device}`\n")
    print(f"| against 32-bit floats | mean loss of all steps | windows of {arguments.window} steps, at most | a step, on average |")
    print("|---|---:|---:|---:|")
    for what, curve in others:
        print(f"| {what} | " + " | ".join(compared(curve, reference, arguments.window)) + " |")


if __name__ == "__main__":
    main()
