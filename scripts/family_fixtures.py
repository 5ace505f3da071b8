#!/usr/bin/env python3
"""Writes tests/fixtures/families: a tiny random checkpoint of each family, and what transformers computes on it.

usage, from the top of the repository, with torch and transformers installed:
    python3 scripts/family_fixtures.py

Weights are stored as bfloat16 and computed in float32. Norms and biases are random, so that a missing one shows.
"""

import json
import pathlib
import platform

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

OUT = pathlib.Path("tests/fixtures/families")
VOCABULARY = 64
# Longer than the windows and than the original contexts below.
LENGTH = 72
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
WINDOW = 12
# Those that are also trained for ten steps.
CURVES = ["llama", "qwen3", "gemma2", "phi3"]
# Those whose gradients are stored value by value.
WHOLE_GRADIENTS = ["llama", "qwen3", "gemma2", "gemma3"]


def rope(kind: str, **fields) -> dict:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **fields}}


CASES = {
    "llama": ("llama", {}),
    "llama-biases-tied": ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    "llama-llama3": (
        "llama",
        rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32),
    ),
    "llama-linear": ("llama", rope("linear", factor=4.0)),
    "llama-dynamic": ("llama", {**rope("dynamic", factor=2.0), "max_position_embeddings": 32}),
    "llama-yarn": ("llama", rope("yarn", factor=4.0, original_max_position_embeddings=32)),
    "mistral": ("mistral", {"sliding_window": WINDOW}),
    "qwen2": ("qwen2", {}),
    "qwen2-window": ("qwen2", {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "olmo2": ("olmo2", {}),
    "gemma2": ("gemma2", {"head_dim": 16, "sliding_window": WINDOW, "query_pre_attn_scalar": 24}),
    "gemma3": (
        "gemma3_text",
        {
            "head_dim": 16,
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 24,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    "phi3": ("phi3", {}),
    "phi3-partial": ("phi3", {"partial_rotary_factor": 0.5}),
    "phi3-longrope": (
        "phi3",
        {
            **rope(
                "longrope",
                short_factor=[1.0, 1.1, 1.2, 1.3],
                long_factor=[1.5, 2.0, 2.5, 3.0],
                original_max_position_embeddings=32,
            ),
            "original_max_position_embeddings": 32,
        },
    ),
    "smollm3": ("smollm3", {"no_rope_layers": [1, 1, 0]}),
}


def short(values: list) -> list:
    return [float(f"{value:.7g}") for value in values]


def make(folder: pathlib.Path, family: str, fields: dict, seed: int) -> None:
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, **{**SHAPE, **fields, "initializer_range": 0.15})
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.ndim == 1:
                tensor.add_(0.1 * torch.randn_like(tensor))
    model.to(torch.bfloat16).save_pretrained(folder)
    # What transformers writes beside it says nothing about logits.
    (folder / "generation_config.json").unlink(missing_ok=True)


def expected(folder: pathlib.Path, seed: int) -> dict:
    # The scaled dot product of torch leaves soft caps out.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (1, LENGTH), generator=generator)
    # The last token is a target alone. The shorter text goes first: frequencies that depend on the
    # length stay what they were when a shorter one follows.
    predicted = model(ids[:, :-1]).logits[0]
    logits = model(ids).logits[0]
    losses = torch.nn.functional.cross_entropy(predicted, ids[0, 1:], reduction="none")
    losses.mean().backward()
    if folder.name in WHOLE_GRADIENTS:
        whole = {name: tensor.grad.contiguous() for name, tensor in model.named_parameters()}
        save_file(whole, folder / "gradients.safetensors")
    gradients = {}
    for name, tensor in model.named_parameters():
        gradient = tensor.grad.double()
        gradients[name] = {"sum": short([gradient.sum().item()])[0], "norm": short([gradient.norm().item()])[0]}
    # The same text behind padding, in a batch with a longer one.
    length = 20
    padded = torch.zeros((2, length + 7), dtype=torch.long)
    mask = torch.ones_like(padded)
    padded[0] = ids[0, : length + 7]
    padded[1, 7:] = ids[0, :length]
    mask[1, :7] = 0
    with torch.no_grad():
        behind_padding = model(padded, attention_mask=mask).logits[1, -1]
    at = [0, 13, 40, LENGTH - 1]
    return {
        "provenance": {
            "implementation": f"transformers {type(model).__name__}, eager attention, torch autograd",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
            "dtype": "float32, from weights stored as bfloat16",
            "command": "scripts/family_fixtures.py",
        },
        "ids": ids[0].tolist(),
        "logits": [{"position": position, "values": short(logits[position].tolist())} for position in at],
        "losses": short(losses.tolist()),
        "gradients": gradients,
        "behind_padding": {"length": length, "logits": short(behind_padding.tolist())},
    }


PENALTY = 3.0


def greedy(folder: pathlib.Path, ids: list) -> dict:
    """Forty tokens with a cache, past windows and original contexts.

    Without a strong penalty such small models soon repeat one token. The prompt is the longest after which
    no choice is a close call.
    """
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    # A stop would end it, and a least number of tokens would forbid the stop's id.
    model.generation_config.eos_token_id = None
    for length in range(20, 0, -1):
        output = model.generate(
            torch.tensor([ids[:length]]),
            max_new_tokens=40,
            do_sample=False,
            repetition_penalty=PENALTY,
            output_logits=True,
            output_scores=True,
            return_dict_in_generate=True,
        )
        best = torch.cat(output.scores).topk(2).values
        if (best[:, 0] - best[:, 1]).min() > 1e-3:
            break
    else:
        raise SystemExit(f"{folder}: close calls after every prompt; choose another seed")
    chosen = output.sequences[0, length:].tolist()
    logprobs = torch.cat(output.logits).double().log_softmax(-1)[range(40), chosen]
    return {"prompt": length, "penalty": PENALTY, "ids": chosen, "logprobs": short(logprobs.tolist())}


def curve(folder: pathlib.Path, seed: int) -> dict:
    """Ten steps of AdamW, each on a batch of its own; matrices decay, the global norm is clipped."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").train()
    matrices = [tensor for tensor in model.parameters() if tensor.ndim == 2]
    others = [tensor for tensor in model.parameters() if tensor.ndim != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=5e-3, betas=(0.9, 0.95), eps=1e-8)
    generator = torch.Generator().manual_seed(seed)
    # Few different tokens, so that there is something to learn.
    batches = torch.randint(3, 13, (10, 3, 33), generator=generator)
    losses, norms = [], []
    for batch in batches:
        logits = model(batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    return {
        "optimizer": "torch.optim.AdamW, lr 5e-3, betas 0.9 and 0.95, eps 1e-8, decay 0.1 on matrices, norm clipped at 1",
        "batches": batches.tolist(),
        "losses": short(losses),
        "gradient_norms": short(norms),
    }


def main() -> None:
    torch.set_num_threads(1)
    for seed, (name, (family, fields)) in enumerate(CASES.items()):
        folder = OUT / name
        make(folder, family, fields, seed)
        values = expected(folder, seed)
        values["greedy"] = greedy(folder, values["ids"])
        (folder / "expected.json").write_text(json.dumps(values) + "\n")
        if name in CURVES:
            (folder / "curve.json").write_text(json.dumps(curve(folder, seed)) + "\n")
        print(name)


if __name__ == "__main__":
    main()
