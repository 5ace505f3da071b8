#!/usr/bin/env python3
"""Writes tests/fixtures/adapters: LoRA adapters on tests/fixtures/families/llama, and the merged model's logits.

usage, from the top of the repository, with torch, transformers and peft installed:
    python3 scripts/adapter_fixtures.py
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


def base():
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32, attn_implementation="eager")


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    for seed, (name, fields) in enumerate(ADAPTERS.items()):
        torch.manual_seed(seed)
        model = get_peft_model(base(), LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **fields))
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.add_(0.05 * torch.randn_like(tensor))
        folder = OUT / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        ids = torch.randint(3, 64, (1, 12))
        logits = PeftModel.from_pretrained(base(), folder).merge_and_unload()(ids).logits[0, -1]
        # The base by its place beside the adapter, wherever both are.
        path = folder / "adapter_config.json"
        config = json.loads(path.read_text())
        config["base_model_name_or_path"] = "../../families/llama"
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        expected = {
            "provenance": {
                "implementation": "PEFT merge_and_unload",
                "peft": peft.__version__,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "dtype": "float32, base stored as bfloat16",
                "command": "scripts/adapter_fixtures.py",
            },
            "ids": ids[0].tolist(),
            "logits": [float(f"{value:.7g}") for value in logits.tolist()],
        }
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
        print(name)


if __name__ == "__main__":
    main()
