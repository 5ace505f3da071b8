#!/usr/bin/env python3
"""Writes tests/fixtures/preference/trl.json: losses over pairs and their gradients, computed by TRL's own trainer.

usage, with torch and trl installed:
    python3 scripts/preference_fixtures.py

The trainer's `_compute_loss` is called with a model that hands back fixed log-probabilities of tokens, so that the
fixture holds what TRL makes of them and nothing else. A gradient is that of the mean loss of the pairs with respect to
the log-probability of each token of an answer; within an answer they are all the same.
"""

import collections
import json
import pathlib
import types

import torch
import trl
from trl.trainer.dpo_trainer import DPOTrainer

OUT = pathlib.Path(__file__).resolve().parents[1] / "tests/fixtures/preference/trl.json"
LENGTHS = [(3, 5), (7, 2), (1, 1), (4, 6)]
PROMPT = 2
CASES = [("sigmoid", 0.1), ("sigmoid", 0.5), ("sigmoid_norm", 2.0), ("ipo", 0.1), ("ipo", 0.5)]


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probabilities of policy and reference, and the mask; chosen answers first, as TRL lays them out."""
    generator = torch.Generator().manual_seed(17)
    lengths = [chosen for chosen, _ in LENGTHS] + [rejected for _, rejected in LENGTHS]
    width = PROMPT + max(lengths)
    mask = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in enumerate(lengths):
        mask[row, PROMPT : PROMPT + length] = 1
    answers = mask[:, 1:]
    policy = -3.0 * torch.rand(answers.shape, generator=generator, dtype=torch.float64) * answers
    reference = -3.0 * torch.rand(answers.shape, generator=generator, dtype=torch.float64) * answers
    return policy, reference, mask


def computed(loss: str, beta: float) -> dict:
    policy, reference, mask = tensors()
    policy.requires_grad_(True)
    pairs = len(LENGTHS)
    zeros = torch.zeros_like(policy)
    outputs = types.SimpleNamespace(
        log_probs=policy, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool(), aux_loss=zeros.sum()
    )
    accelerator = types.SimpleNamespace(
        device=policy.device, gather=lambda tensor: tensor, gather_for_metrics=lambda tensor: tensor
    )
    model = types.SimpleNamespace(training=True)
    trainer = types.SimpleNamespace(
        model=model, accelerator=accelerator, ld_alpha=None, precompute_ref_logps=True, beta=beta,
        aux_loss_enabled=False, f_divergence_type="reverse_kl", loss_types=[loss], loss_weights=[1.0],
        use_weighting=False, _metrics={"train": collections.defaultdict(list)}, _total_train_tokens=0, _tp_size=1,
    )
    sums = reference.sum(dim=1)
    inputs = {
        "input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask,
        "ref_chosen_logps": sums[:pairs], "ref_rejected_logps": sums[pairs:],
    }
    mean = DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, return_outputs=False)
    mean.backward()
    of_token = [policy.grad[row][mask[row, 1:].bool()][0].item() for row in range(2 * pairs)]
    return {
        "loss_type": loss, "beta": beta, "loss": mean.item(),
        "gradients": [[of_token[pair], of_token[pairs + pair]] for pair in range(pairs)],
    }


def main() -> None:
    policy, reference, _ = tensors()
    pairs = len(LENGTHS)
    both = lambda sums: [[sums[pair].item(), sums[pairs + pair].item()] for pair in range(pairs)]
    fixture = {
        "made_by": f"trl {trl.__version__}, DPOTrainer._compute_loss, torch {torch.__version__}, float64",
        "lengths": LENGTHS,
        "policy": both(policy.sum(dim=1)),
        "reference": both(reference.sum(dim=1)),
        "cases": [computed(loss, beta) for loss, beta in CASES],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
