"""Greedy generation, against `generate` of transformers with its cache."""

import json

from figures import median, ratios, runs, table

NEEDS = ("torch", "transformers")
SPEED = "generate_tokens_per_second"


def measure(section, options):
    for batch in (1, 16):
        what = ("16M", "--generate", 64, "--batch", batch, "--steps", 1)
        section.turns(f"{batch}", {
            "temper": lambda: json.loads(section.temper("bench", *what, "--json").out),
            "transformers": lambda: section.peer("train_torch.py", NEEDS, *what),
        })


def report(section):
    rows = [[batch, median(case, "temper", SPEED), median(case, "transformers", SPEED),
             ratios(runs(case, "temper", SPEED), runs(case, "transformers", SPEED))]
            for batch, case in section["cases"].items()]
    return [
        "Greedy, 32 ids of prompt and 64 new ones, shape 16M, against `generate` of transformers with its cache.",
        "",
        *table(["sequences:", "tokens/s:", "transformers:", "ratio:"], rows),
    ]
