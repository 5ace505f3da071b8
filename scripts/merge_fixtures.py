#!/usr/bin/env python3
"""Writes tests/fixtures/merge/peft.json: TIES as PEFT computes it on one tensor.

usage, with torch and peft installed:
    python3 scripts/merge_fixtures.py
"""

import json
import pathlib

import peft
import torch
from peft.utils.merge_utils import ties

OUT = pathlib.Path(__file__).resolve().parents[1] / "tests/fixtures/merge/peft.json"


def main() -> None:
    generator = torch.Generator().manual_seed(17)
    base = torch.randn(40, generator=generator)
    models = [base + 0.1 * torch.randn(40, generator=generator) for _ in range(3)]
    # The changes as a reader of the models sees them, so that both sides trim the same values.
    changes = [model.double() - base.double() for model in models]
    merged = {
        str(density): (base.double() + ties(changes, torch.ones(3, dtype=torch.float64), density)).tolist()
        for density in (0.2, 0.5, 1.0)
    }
    fixture = {
        "made_by": f"peft {peft.__version__}, peft.utils.merge_utils.ties, torch {torch.__version__}",
        "base": base.tolist(),
        "models": [model.tolist() for model in models],
        "ties": merged,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
