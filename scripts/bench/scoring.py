"""A suite's log-likelihoods: `temper eval`, against transformers in batches of sequences of like length."""

import json

from figures import median, ratios, runs, table
from turns import ROOT

NEEDS = ("torch", "transformers", "tokenizers", "pyarrow")
CHECKPOINT = "checkpoints/nano/pretrained"
SUITE = "general"
# Both have to find the same, up to the order of sums; of a thousand pairs one or two are as good as ties.
CLOSE = {"loss": 1e-3, "accuracy": 3e-3}


def measure(section, options):
    # What the suite is made of; no parser of TOML is in every Python that can run this.
    tasks = [f"{name}=data-manifests/corpora/{corpus}.parquet" for name, corpus in
             (("prose", "prose-heldout"), ("encyclopedic", "encyclopedic-heldout"), ("technical", "technical-heldout"),
              ("blimp", "blimp"))]
    section.turns(SUITE, {
        "temper": lambda: ours(section),
        "transformers": lambda: section.peer("score_transformers.py", NEEDS, CHECKPOINT, *tasks),
    })
    sides = section.record["cases"][SUITE]["sides"]
    for mine, other in zip(sides.get("temper", []), sides.get("transformers", [])):
        for task, score in mine["tasks"].items():
            for measure, close in CLOSE.items():
                found, expected = score[measure], other["tasks"][task][measure]
                if (found is None) != (expected is None) or (found is not None and abs(found - expected) > close):
                    section.refuse(SUITE, f"{task}: {measure} {found} by temper and {expected} by transformers")


def ours(section):
    ran = section.temper("eval", CHECKPOINT, "--suite", SUITE, "--json", folder=ROOT)
    tasks = {task["task"]: task for task in json.loads(ran.out)["tasks"]}
    return {
        "seconds": ran.seconds,
        "tasks": {name: {"loss": task["loss"], "accuracy": task["accuracy"]} for name, task in tasks.items()},
        "items": sum(task["n_items"] for task in tasks.values()),
    }


def report(section):
    case = section["cases"][SUITE]
    n_items = runs(case, "temper", "items")[0]
    rows = [[
        median(case, "temper", "seconds", "{:.1f} s"), median(case, "transformers", "seconds", "{:.1f} s"),
        ratios(runs(case, "transformers", "seconds"), runs(case, "temper", "seconds")),
    ]]
    return [
        f"The suite `{SUITE}` on `{CHECKPOINT}`, {n_items:,} items: documents in windows of 512 positions, and pairs of",
        "sentences. `temper eval`, whole process, against transformers in batches of 16 sequences of like length, imports not",
        "counted. Both have to find the same losses and accuracy.",
        "",
        *table(["temper:", "transformers:", "ratio:"], rows),
    ]
