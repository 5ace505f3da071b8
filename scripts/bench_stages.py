#!/usr/bin/env python3
"""Seconds per step and peak memory of LoRA, DPO and GRPO: temper and TRL in turns, same shapes, a table.

usage, from the top of the repository, on an idle machine, with torch, trl, peft and datasets installed:
    python3 scripts/bench_stages.py target/release/temper

A step is 4 rows of 256 tokens with LoRA of rank 16 on all matrices, 4 pairs of 256 tokens a side, or 1 prompt of 32 tokens
with 4 completions of 64 and the divergence from the starting model. The decoder is the 50M shape of `temper bench` with
random weights. Of temper's runs a long and a short one are timed, and their difference is that of so many steps.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENIZER = ROOT / "recipes/nano/model"
BATCH, LENGTH, SHORT, LONG = 4, 256, 2, 8


def texts(n: int, n_words: int, seed: int) -> list[str]:
    """Texts of so many tokens each: words that the tokenizer has, drawn at random."""
    import numpy
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    words = [tokenizer.decode([at]) for at in range(300, 4000)]
    words = [word for word in words if word.startswith(" ") and word.strip().isalpha()]
    generator = numpy.random.default_rng(seed)
    return ["".join(generator.choice(words, n_words)).strip() for _ in range(n)]


def trl(folder: str, what: str) -> dict:
    """Runs in a process of its own, so that its peak memory is its own."""
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", eos_token="<|eos|>", pad_token="<|pad|>")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    seconds = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.started = time.perf_counter()

        def on_step_end(self, *_, **__):
            seconds.append(time.perf_counter() - self.started)

    common = dict(output_dir=f"{folder}/out", per_device_train_batch_size=BATCH, max_steps=LONG, report_to=[], use_cpu=True,
                  save_strategy="no", logging_steps=1000, bf16=False, gradient_checkpointing=False)
    n = BATCH * LONG
    if what == "lora":
        from peft import LoraConfig
        from trl import SFTConfig, SFTTrainer

        rows = Dataset.from_dict({"text": texts(n, LENGTH, 1)})
        trainer = SFTTrainer(model, SFTConfig(max_length=LENGTH, **common), train_dataset=rows, processing_class=tokenizer,
                             peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"), callbacks=[Clock()])
    elif what == "dpo":
        from trl import DPOConfig, DPOTrainer

        rows = {key: texts(n, LENGTH // 2 - 2, seed) for seed, key in enumerate(("prompt", "chosen", "rejected"))}
        trainer = DPOTrainer(model, None, DPOConfig(max_length=LENGTH, **common), train_dataset=Dataset.from_dict(rows),
                             processing_class=tokenizer, callbacks=[Clock()])
    else:
        from trl import GRPOConfig, GRPOTrainer

        rows = Dataset.from_dict({"prompt": texts(n, 32, 1)})
        trainer = GRPOTrainer(model, reward_funcs=lambda completions, **_: [float(len(text) % 7) for text in completions],
                              train_dataset=rows, processing_class=tokenizer, callbacks=[Clock()],
                              args=GRPOConfig(num_generations=4, max_completion_length=64, beta=0.04, temperature=1.0, **common))
    trainer.train()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": statistics.median(seconds[2:]), "peak": peak}


RECIPE = """schema = 1
name = "bench"
seed = 1
{stage}
[model]
from = "model"
chat_template = "chat.jinja"
[training]
max_steps = {steps}
sequence_length = {length}
global_batch_size = {rows}
{more}
[data_mixing]
max_epochs = 100
weights = {{ rows = 1 }}
packing = "pad"
[optimizer]
lr = 1e-5
[checkpoint]
every = 1000
"""


def project(folder: pathlib.Path, temper: str, what: str) -> None:
    """Corpora as TRL is given them, and a recipe."""
    n = 4 * BATCH * LONG
    if what == "lora":
        form, rows = [], [{"text": text} for text in texts(n, LENGTH - 2, 1)]
        stage, length, n_rows, more = 'stage = "mid-train"', LENGTH, BATCH, "[lora]\nrank = 16\nalpha = 32"
    elif what == "dpo":
        sides = [texts(n, LENGTH // 2 - 2, seed) for seed in range(3)]
        form, rows = ["--pairs"], [dict(zip(("prompt", "chosen", "rejected"), row)) for row in zip(*sides)]
        stage, length, n_rows, more = 'stage = "dpo"', 2 * LENGTH + 64, BATCH, ""
    else:
        form, rows = ["--prompts"], [{"prompt": text, "answer": "[aeiou]$"} for text in texts(n, 32, 1)]
        more = '[rl]\ngroup_size = 4\nmax_new_tokens = 64\nkl = 0.04\nrewards = [{ verifier = "regex" }]'
        stage, length, n_rows = 'stage = "rl"', 160, 1
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "chat.jinja").write_text((ROOT / "recipes/nano/chat.jinja").read_text())
    (folder / "data-manifests").mkdir(exist_ok=True)
    command = [temper, "corpus", "import", "rows.jsonl", *form, "--out", "data-manifests/rows.parquet", "--id", "rows",
               "--category", "bench", "--licence", "CC0-1.0", "--source", "made"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    for steps in (SHORT, SHORT + LONG):
        text = RECIPE.format(stage=stage, steps=steps, length=length, rows=n_rows, more=more)
        (folder / f"steps-{steps}.toml").write_text(text)


def ours(folder: pathlib.Path, temper: str, number: int) -> dict:
    times = []
    for steps in (SHORT, SHORT + LONG):
        command = [temper, "run", f"steps-{steps}.toml", "--set", f"name=bench-{number}-{steps}"]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{' '.join(command)} failed in {folder}")
        times.append(time.perf_counter() - started)
    return {"seconds": (times[1] - times[0]) / LONG, "peak": usage.ru_maxrss * 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("temper", help="the binary")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trl", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.trl:
        print(json.dumps(trl(*arguments.trl)))
        return
    import torch
    import transformers

    temper = str(pathlib.Path(arguments.temper).absolute())
    print("| step | temper | TRL | ratio | peak memory | over TRL's |\n|---|---:|---:|---:|---:|---:|")
    for what in ("lora", "dpo", "grpo"):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            config = transformers.LlamaConfig(
                vocab_size=32000, hidden_size=512, intermediate_size=1408, num_hidden_layers=6, num_attention_heads=8,
                num_key_value_heads=4, head_dim=64, max_position_embeddings=2048, bos_token_id=0, eos_token_id=1, pad_token_id=2,
            )
            torch.manual_seed(0)
            transformers.LlamaForCausalLM(config).save_pretrained(folder / "model")
            for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
                (folder / "model" / file).write_bytes((TOKENIZER / file).read_bytes())
            project(folder, temper, what)
            pairs = []
            for number in range(arguments.rounds):
                mine = ours(folder, temper, number)
                command = [sys.executable, __file__, temper, "--trl", str(folder / "model"), what]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(done.stderr[-2000:])
                pairs.append((mine, json.loads(done.stdout.splitlines()[-1])))
        ratios = [b["seconds"] / a["seconds"] for a, b in pairs]
        median = lambda side, key: statistics.median(pair[side][key] for pair in pairs)
        print(f"| {what} | {median(0, 'seconds'):.2f} s | {median(1, 'seconds'):.2f} s "
              f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
              f"| {median(0, 'peak') / 1e6:,.0f} MB | {median(0, 'peak') / median(1, 'peak'):.2f} |", flush=True)


if __name__ == "__main__":
    main()
