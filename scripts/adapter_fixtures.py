#!/usr/bin/env python3
"""Writes tests/fixtures/adapters: LoRA adapters on tests/fixtures/families/llama, what PEFT computes with them,
and samples of the matrices that it merges.

usage, from the top of the repository, with torch, transformers and peft installed:
    python3 scripts/adapter_fixtures.py

Adapters are stored as float32, their base as bfloat16. PEFT computes and merges in float64; norms, rotation and
softmax are float32, as transformers has them whatever the model's type.
"""

import json
import pathlib

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

OUT = pathlib.Path("tests/fixtures/adapters")
BASE = "tests/fixtures/families/llama"
# Each exercises another part of the configuration.
ADAPTERS = {
    "plain": {"target_modules": ["q_proj", "down_proj"]},
    "rank-stabilized": {"target_modules": "all-linear", "use_rslora": True},
    "patterns": {
        "target_modules": ["q_proj", "v_proj"],
        "rank_pattern": {"layers.1.self_attn.q_proj": 2},
        "alpha_pattern": {"v_proj": 3},
    },
    "embedding": {"target_modules": ["q_proj", "embed_tokens"]},
    "saved-module": {"target_modules": ["k_proj"], "modules_to_save": ["lm_head"]},
}

# Of a merged matrix every so many values: prime, so that all rows and columns have their turn.
STRIDE = 97


def base(dtype: torch.dtype):
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=dtype, attn_implementation="eager")


def short(values: torch.Tensor) -> list:
    return [float(f"{value:.9g}") for value in values.tolist()]


def samples(merged: dict) -> dict:
    """Of each matrix that the adapter changes: how far it moved, and some of its values."""
    found = {}
    for name, before in base(torch.float64).state_dict().items():
        change = (merged[name] - before).norm().item()
        if change > 0:
            found[name] = {"change": float(f"{change:.9g}"), "values": short(merged[name].flatten()[::STRIDE])}
    return found


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    for seed, (name, fields) in enumerate(ADAPTERS.items()):
        torch.manual_seed(seed)
        model = get_peft_model(base(torch.float32), LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **fields))
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.add_(0.05 * torch.randn_like(tensor))
        folder = OUT / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        ids = torch.randint(3, 64, (1, 12))
        adapted = PeftModel.from_pretrained(base(torch.float64), folder)
        logits = adapted(ids).logits[0, -1]
        merged = adapted.merge_and_unload()
        assert torch.allclose(merged(ids).logits[0, -1], logits, rtol=0, atol=1e-9)
        # The base by its place beside the adapter, wherever both are.
        path = folder / "adapter_config.json"
        config = json.loads(path.read_text())
        config["base_model_name_or_path"] = "../../families/llama"
        # PEFT writes a set, whose order differs from call to call.
        config["target_modules"].sort()
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        expected = {
            "provenance": {
                "implementation": "PEFT: logits before merging, matrices of merge_and_unload",
                "peft": peft.__version__,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "dtype": "float64; norms, rotation and softmax float32",
                "command": "scripts/adapter_fixtures.py",
            },
            "ids": ids[0].tolist(),
            "logits": short(logits),
            "stride": STRIDE,
            "merged": samples(merged.state_dict()),
        }
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
        print(name)


if __name__ == "__main__":
    main()
