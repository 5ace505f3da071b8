#!/usr/bin/env python3
"""Writes tests/fixtures/rl/trl.json: losses of sampled completions and their gradients, computed by TRL's trainers.

usage, with torch and trl installed:
    python3 scripts/rl_fixtures.py

`_compute_loss` of GRPOTrainer and RLOOTrainer is called with fixed log-probabilities of tokens in the place of a model's,
so that the fixture holds what TRL makes of them and nothing else.
"""

import collections
import json
import pathlib
import types

import torch
import trl
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

OUT = pathlib.Path(__file__).resolve().parents[1] / "tests/fixtures/rl/trl.json"
LENGTHS = [3, 6, 1, 4]
MOST = 8
ADVANTAGES = [1.2, -0.7, 0.4, -0.9]
CASES = [
    ("grpo", 0.0, [0.2, 0.2]), ("grpo", 0.04, [0.2, 0.28]), ("dapo", 0.0, [0.2, 0.28]), ("dapo", 0.1, [0.1, 0.1]),
    ("dr_grpo", 0.0, [0.2, 0.28]), ("rloo", 0.0, [0.2, 0.2]),
]


def tensors() -> tuple[torch.Tensor, ...]:
    """Log-probabilities now, when sampled, and under the starting model, and the mask."""
    generator = torch.Generator().manual_seed(17)
    width = max(LENGTHS)
    mask = torch.tensor([[int(at < length) for at in range(width)] for length in LENGTHS])
    draw = lambda: torch.rand(mask.shape, generator=generator, dtype=torch.float64)
    now = -0.2 - 2.0 * draw()
    old = now + 0.8 * (draw() - 0.5)
    reference = now + 1.0 * (draw() - 0.5)
    return now, old, reference, mask


class Anything(types.SimpleNamespace):
    """A trainer of which only what matters is set; metrics go nowhere."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def computed(kind: str, beta: float, clip: list[float]) -> dict:
    now, old, reference, mask = tensors()
    now.requires_grad_(True)
    accelerator = types.SimpleNamespace(
        device=now.device, num_processes=1, gather=lambda tensor: tensor, gather_for_metrics=lambda tensor: tensor,
        reduce=lambda tensor, **_: tensor,
    )
    trainer = Anything(
        top_entropy_quantile=1.0, importance_sampling_level="token", beta=beta, loss_type=kind,
        epsilon_low=clip[0], epsilon_high=clip[1], max_completion_length=MOST, accelerator=accelerator,
        current_gradient_accumulation_steps=1, model=types.SimpleNamespace(training=True),
        args=Anything(delta=None, steps_per_generation=1), aux_loss_enabled=False, use_vllm=False,
        _entropy_bonus_enabled=False, _metrics={"train": collections.defaultdict(list)},
        _get_per_token_logps_and_entropies=lambda *_, **__: (now, torch.zeros_like(now), None),
    )
    empty = torch.zeros(len(LENGTHS), 0, dtype=torch.long)
    inputs = {
        "prompt_ids": empty, "prompt_mask": empty, "completion_ids": mask, "completion_mask": mask,
        "advantages": torch.tensor(ADVANTAGES, dtype=torch.float64), "old_per_token_logps": old,
        "ref_per_token_logps": reference, "num_items_in_batch": mask.sum(),
    }
    if kind == "rloo":
        inputs["old_logps"] = (old * mask).sum(1)
        loss = RLOOTrainer._compute_loss(trainer, None, inputs)
    else:
        loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    return {
        "normalisation": kind.replace("_", "-"), "kl": beta, "clip": clip, "loss": loss.item(),
        "gradients": [now.grad[row, :length].tolist() for row, length in enumerate(LENGTHS)],
    }


def main() -> None:
    now, old, reference, _ = tensors()
    of = lambda tensor: [tensor[row, :length].tolist() for row, length in enumerate(LENGTHS)]
    fixture = {
        "made_by": f"trl {trl.__version__}, GRPOTrainer and RLOOTrainer._compute_loss, torch {torch.__version__}, float64",
        "max_new_tokens": MOST, "advantages": ADVANTAGES,
        "now": of(now), "old": of(old), "reference": of(reference),
        "cases": [computed(*case) for case in CASES],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
