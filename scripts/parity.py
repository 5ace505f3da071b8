#!/usr/bin/env python3
"""Compares temper with transformers on random checkpoints of every family, and prints a table.

usage, with torch and transformers installed and temper built:
    python3 scripts/parity.py [--temper target/release/temper] [FAMILY …]

Each family comes in two shapes, one of them with the output matrix tied to the embedding. Compared are the logits of
a text (float32, at most 1e-4 apart), the ids of 200 greedily chosen tokens (a divergence counts only where the two
likeliest logits differ by more than 1e-4) and their log-probabilities (at most 1e-4 apart). Exits with 1 on a breach.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoConfig, AutoModelForCausalLM

TOLERANCE = 1e-4
TOKENS = 200
VOCABULARY = 320
CONTEXT = 512
# Shorter than the texts, so that windows and scaled ropes are at work.
WINDOW = 24
ORIGINAL = 64
SHAPES = [
    {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 4, "num_attention_heads": 6, "num_key_value_heads": 2},
    {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 4},
]


def rope(kind: str, **fields) -> dict:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **fields}}


FAMILIES = {
    "llama": ("llama", {}),
    "llama, biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, rope llama3": (
        "llama",
        rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=ORIGINAL),
    ),
    "llama, rope linear": ("llama", rope("linear", factor=4.0)),
    "llama, rope dynamic": ("llama", {**rope("dynamic", factor=4.0), "max_position_embeddings": ORIGINAL}),
    "llama, rope yarn": ("llama", rope("yarn", factor=4.0, original_max_position_embeddings=ORIGINAL)),
    "mistral": ("mistral", {"sliding_window": WINDOW}),
    "qwen2": ("qwen2", {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2}),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "olmo2": ("olmo2", {}),
    "gemma2": ("gemma2", {"head_dim": 16, "sliding_window": WINDOW, "query_pre_attn_scalar": 24}),
    "gemma3_text": ("gemma3_text", {"head_dim": 16, "sliding_window": WINDOW, "query_pre_attn_scalar": 24}),
    "phi3": ("phi3", {"partial_rotary_factor": 0.5}),
    "smollm3": ("smollm3", {}),
}


def make(folder: pathlib.Path, family: str, fields: dict, shape: dict, tied: bool, seed: int):
    """Writes a random checkpoint; norms and biases are random too, so that a missing one shows."""
    torch.manual_seed(seed)
    common = {
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": tied,
        "initializer_range": 0.15,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    config = AutoConfig.for_model(family, **{**common, **shape, **fields})
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.ndim == 1:
                tensor.add_(0.1 * torch.randn_like(tensor))
    model.save_pretrained(folder)
    # The scaled dot product of torch leaves soft caps out.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    return model


def temper(binary: str, *arguments: str):
    done = subprocess.run([binary, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments[:2])}: {done.stderr}")
    return json.loads(done.stdout)


def comma(ids) -> str:
    return ",".join(str(int(token)) for token in ids)


@torch.no_grad()
def compare(binary: str, folder: pathlib.Path, model, seed: int) -> tuple[float, int | None, float]:
    """The largest errors of logits and log-probabilities, and where greedy ids part for a reason."""
    ids = torch.randint(3, VOCABULARY, (1, 150), generator=torch.Generator().manual_seed(seed))
    found = torch.tensor(temper(binary, "checkpoint", "logits", str(folder), "--ids", comma(ids[0])))
    error = (found - model(ids).logits[0]).abs().max().item()

    prompt = ids[:, :12]
    ours = temper(binary, "generate", str(folder), "--ids", comma(prompt[0]), "--max-tokens", str(TOKENS), "--ignore-eos")
    theirs = model.generate(
        prompt, max_new_tokens=TOKENS, do_sample=False, pad_token_id=0, output_scores=True, return_dict_in_generate=True
    )
    logprobs = [score[0].log_softmax(0) for score in theirs.scores]
    expected = theirs.sequences[0, prompt.shape[1] :].tolist()
    apart, worst = None, 0.0
    for at, (token, wanted) in enumerate(zip(ours["ids"], expected, strict=True)):
        best = theirs.scores[at][0].topk(2).values
        if token != wanted:
            # Behind a tie the texts are others.
            apart = at if (best[0] - best[1]).item() > TOLERANCE else None
            break
        worst = max(worst, abs(ours["logprobs"][at] - logprobs[at][token].item()))
    return error, apart, worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="rows of the table; without any, all of them")
    parser.add_argument("--temper", default="target/release/temper")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    breaches = 0
    print(f"| family | largest logit error | {TOKENS} greedy ids | largest log-probability error |\n|---|---:|---|---:|")
    for name, (family, fields) in FAMILIES.items():
        if arguments.families and name not in arguments.families:
            continue
        results = []
        for seed, shape in enumerate(SHAPES):
            with tempfile.TemporaryDirectory() as folder:
                model = make(pathlib.Path(folder), family, fields, shape, tied=seed == 1, seed=seed)
                results.append(compare(arguments.temper, pathlib.Path(folder), model, seed))
        error = max(result[0] for result in results)
        partings = [result[1] for result in results if result[1] is not None]
        worst = max(result[2] for result in results)
        greedy = f"part after {min(partings)}" if partings else "equal"
        print(f"| {name} | {error:.1e} | {greedy} | {worst:.1e} |", flush=True)
        # Written so that what is not a number is a breach.
        breaches += not (error <= TOLERANCE and worst <= TOLERANCE) or bool(partings)
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
