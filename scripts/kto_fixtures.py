#!/usr/bin/env python3
"""Writes tests/fixtures/preference/kto.json: losses over judged answers and their gradients, computed by TRL's own trainer.

usage, with torch and trl installed:
    python3 scripts/kto_fixtures.py

The trainer's `_compute_loss` is called with a model that hands back fixed log-probabilities of tokens, those of the
mismatched answers when it is asked for them, so that the fixture holds what TRL makes of them and nothing else. A
gradient is that of the mean loss of the answers with respect to the log-probability of each token of an answer; within
an answer they are all the same.
"""

import collections
import json
import pathlib
import types

import torch
import trl
from trl.trainer.kto_trainer import KTOTrainer

OUT = pathlib.Path(__file__).resolve().parents[1] / "tests/fixtures/preference/kto.json"
LENGTHS = [3, 5, 7, 2, 1, 4]
LABELS = [True, False, True, True, False, True]
PROMPT = 2
# beta, desirable_weight, undesirable_weight, and by how much the policy finds mismatched answers likelier, nats a token:
# the divergence is above zero in some cases and would be below it in others.
CASES = [(0.1, 1.0, 1.0, 0.5), (0.5, 1.0, 1.0, 0.2), (0.1, 1.0, 1.33, -0.5), (1.0, 0.75, 1.5, 0.1)]


def tensors(shift: float) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Log-probabilities under policy and reference, of answers and of mismatched ones, and the mask."""
    generator = torch.Generator().manual_seed(17)
    mask = torch.zeros(len(LENGTHS), PROMPT + max(LENGTHS), dtype=torch.long)
    for row, length in enumerate(LENGTHS):
        mask[row, PROMPT : PROMPT + length] = 1
    # As TRL cycles them: prompt i with answer i - 1.
    masks = {"answer": mask[:, 1:], "mismatched": mask.roll(1, 0)[:, 1:]}
    found = {}
    for name, answers in masks.items():
        for model in ("policy", "reference"):
            tokens = -3.0 * torch.rand(answers.shape, generator=generator, dtype=torch.float64)
            found[f"{model}_{name}"] = tokens * answers
    found["policy_mismatched"] = found["reference_mismatched"] + shift * masks["mismatched"]
    return found, mask


def computed(beta: float, desirable: float, undesirable: float, shift: float) -> dict:
    of, mask = tensors(shift)
    policy = of["policy_answer"].requires_grad_(True)
    zeros = torch.zeros_like(policy)

    def model(**inputs: torch.Tensor) -> types.SimpleNamespace:
        is_mismatched = bool((inputs["input_ids"] == 1).all())
        log_probs = of["policy_mismatched"] if is_mismatched else policy
        return types.SimpleNamespace(log_probs=log_probs, entropy=zeros, mean_logits=zeros, aux_loss=zeros.sum())

    accelerator = types.SimpleNamespace(
        device=policy.device, gather=lambda tensor: tensor, gather_for_metrics=lambda tensor: tensor
    )
    metrics = {"train": collections.defaultdict(list)}
    trainer = types.SimpleNamespace(
        model=types.SimpleNamespace(training=True), accelerator=accelerator, precompute_ref_logps=True, beta=beta,
        desirable_weight=desirable, undesirable_weight=undesirable, loss_type="kto", calculate_KL=True,
        aux_loss_enabled=False, _metrics=metrics, _total_train_tokens=0, _tp_size=1,
    )
    trainer._compute_kl_logps = types.MethodType(KTOTrainer._compute_kl_logps, trainer)
    inputs = {
        "input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask,
        "KL_input_ids": torch.ones_like(mask), "KL_attention_mask": torch.ones_like(mask),
        "KL_completion_mask": mask.roll(1, 0), "label": torch.tensor(LABELS),
        "ref_logps": of["reference_answer"].sum(dim=1), "ref_KL_logps": of["reference_mismatched"].sum(dim=1),
    }
    mean = KTOTrainer._compute_loss(trainer, model, inputs, return_outputs=False)
    mean.backward()
    return {
        "beta": beta, "desirable_weight": desirable, "undesirable_weight": undesirable,
        "policy_mismatched": of["policy_mismatched"].sum(dim=1).tolist(),
        "kl": metrics["train"]["kl"][0], "loss": mean.item(),
        "gradients": [policy.grad[row][mask[row, 1:].bool()][0].item() for row in range(len(LENGTHS))],
    }


def main() -> None:
    of, _ = tensors(0.0)
    fixture = {
        "made_by": f"trl {trl.__version__}, KTOTrainer._compute_loss, torch {torch.__version__}, float64",
        "lengths": LENGTHS,
        "labels": LABELS,
        "policy": of["policy_answer"].sum(dim=1).tolist(),
        "reference": of["reference_answer"].sum(dim=1).tolist(),
        "reference_mismatched": of["reference_mismatched"].sum(dim=1).tolist(),
        "cases": [computed(*case) for case in CASES],
    }
    OUT.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
