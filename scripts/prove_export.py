#!/usr/bin/env python3
"""Proves that an exported checkpoint is the same model in transformers.

usage, from the top of the repository, with torch, transformers and pyarrow installed and temper built:
    python3 scripts/prove_export.py [CHECKPOINT] [--temper target/release/temper]

The checkpoint is written by `temper checkpoint convert`. transformers has to load it with no missing and no unexpected
tensor, to give each held-out text of the suite `general` the same loss (mean over all tokens within 1e-4 nats), and to
choose the same 200 tokens greedily. Exits with 1 where one of these does not hold.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import pyarrow.parquet
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

CORPORA = pathlib.Path("data-manifests/corpora")
TASKS = {"prose": "prose-heldout", "encyclopedic": "encyclopedic-heldout", "technical": "technical-heldout"}
TOLERANCE = 1e-4


def temper(binary: str, *arguments: str) -> str:
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"temper {' '.join(arguments)}: {done.stderr}")
    return done.stdout


@torch.no_grad()
def held_out(binary: str, folder: str, model, tokenizer: Tokenizer) -> tuple[float, float, int]:
    """The mean loss here and there in nats per token, and the number of texts."""
    scored = json.loads(temper(binary, "eval", folder, "--suite", "general", "--json"))["score"]["tasks"]
    ours, theirs, n_tokens, n_texts = 0.0, 0.0, 0, 0
    for task in scored:
        if task["id"] not in TASKS:
            continue
        table = pyarrow.parquet.read_table(CORPORA / f"{TASKS[task['id']]}.parquet").to_pydict()
        texts = dict(zip(table["id"], table["text"], strict=True))
        for item in task["items"]:
            ids = [model.config.bos_token_id, *tokenizer.encode(texts[item["id"]], add_special_tokens=False).ids]
            # Longer texts are scored in windows, which transformers has no word for.
            if len(ids) - 1 != item["tokens"] or item["dropped"]:
                continue
            logits = model(torch.tensor([ids[:-1]])).logits[0]
            theirs += torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum").item()
            ours += item["nats"]
            n_tokens += item["tokens"]
            n_texts += 1
    return ours / n_tokens, theirs / n_tokens, n_texts


@torch.no_grad()
def greedy(binary: str, folder: str, model) -> bool:
    prompt = [model.config.bos_token_id, *range(300, 310)]
    arguments = ["--ids", ",".join(map(str, prompt)), "--max-tokens", "200", "--ignore-eos", "--json"]
    ours = json.loads(temper(binary, "generate", folder, *arguments))["ids"]
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    # Without a mask generate() hides whatever has the padding's id, which is the first token here.
    tokens = torch.tensor([prompt])
    theirs = model.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=200, do_sample=False, pad_token_id=0
    )
    return ours == theirs[0, len(prompt) :].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="checkpoints/nano/pretrained")
    parser.add_argument("--temper", default="target/release/temper")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = f"{scratch}/exported"
        temper(arguments.temper, "checkpoint", "convert", arguments.checkpoint, folder, "--dtype", "f32")
        model, loading = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        left = {key: sorted(loading[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
        print(f"tensors: {left}")
        tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        ours, theirs, n_texts = held_out(arguments.temper, folder, model.eval(), tokenizer)
        print(f"held-out loss of {n_texts} texts: temper {ours:.6f}, transformers {theirs:.6f} nats per token")
        same = greedy(arguments.temper, folder, model)
        print(f"200 greedy ids: {'equal' if same else 'different'}")
    sys.exit(0 if not any(left.values()) and n_texts and abs(ours - theirs) <= TOLERANCE and same else 1)


if __name__ == "__main__":
    main()
