"""Steps of LoRA, DPO and GRPO and their peak memory, against TRL on the same texts.

Of temper's runs a short and a long one are timed, and their difference is that of so many steps.
"""

import json
import pathlib
import random
import shutil
import sys
import tempfile

from figures import median, peaks, ratios, runs, table
from turns import ROOT, NotMeasured

NEEDS = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
TOKENIZER = ROOT / "recipes/nano/model"
BATCH, LENGTH, SHORT, LONG = 4, 256, 2, 5
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


def measure(section, options):
    for stage in ("lora", "dpo", "grpo"):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            try:
                project(section, folder, stage)
            except NotMeasured as why:
                section.record["cases"].setdefault(stage, {"sides": {}, "missing": {}})["missing"]["TRL"] = str(why)
                section.kept.save()
                print(f"stages: {stage}: not measured: {why}", file=sys.stderr)
                continue
            section.turns(stage, {
                "temper": lambda: ours(section, folder),
                "TRL": lambda: section.peer("train_trl.py", NEEDS, folder, stage, LONG),
            })


def project(section, folder, stage):
    """A checkpoint with random weights, a corpus, and a recipe for either number of steps."""
    section.peer("make_checkpoint.py", NEEDS, folder / "model")
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(TOKENIZER / file, folder / "model")
    shutil.copy(ROOT / "recipes/nano/chat.jinja", folder)
    (folder / "data-manifests").mkdir()
    n = 4 * BATCH * LONG
    if stage == "lora":
        # One token for each end.
        form, rows = (), [{"text": text} for text in texts(n, LENGTH - 2, 1)]
        verb, length, n_rows, more = "mid-train", LENGTH, BATCH, "[lora]\nrank = 16\nalpha = 32"
    elif stage == "dpo":
        sides = [texts(n, LENGTH // 2 - 2, seed) for seed in range(3)]
        form, rows = ("--pairs",), [dict(zip(("prompt", "chosen", "rejected"), row)) for row in zip(*sides)]
        verb, length, n_rows, more = "dpo", 2 * LENGTH + 64, BATCH, ""
    else:
        form, rows = ("--prompts",), [{"prompt": text, "answer": "[aeiou]$"} for text in texts(n, 32, 1)]
        more = '[rl]\ngroup_size = 4\nmax_new_tokens = 64\nkl = 0.04\nrewards = [{ verifier = "regex" }]'
        verb, length, n_rows = "rl", 160, 1
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    section.temper("corpus", "import", "rows.jsonl", *form, "--out", "data-manifests/rows.parquet", "--id", "rows",
                   "--category", "bench", "--licence", "CC0-1.0", "--source", "made", folder=folder)
    for steps in (SHORT, SHORT + LONG):
        text = RECIPE.format(stage=f'stage = "{verb}"', steps=steps, length=length, rows=n_rows, more=more)
        (folder / f"steps-{steps}.toml").write_text(text)


def texts(n, n_words, seed):
    """Texts of so many tokens each: words that the tokenizer has, drawn at random."""
    vocabulary = json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]["vocab"]
    words = [token[1:] for token, id in vocabulary.items() if 300 <= id < 4000 and token[0] == "Ġ"]
    words = [word for word in words if word.isascii() and word.isalpha()]
    generator = random.Random(seed)
    return [" ".join(generator.choices(words, k=n_words)) for _ in range(n)]


def ours(section, folder):
    seconds = []
    for steps in (SHORT, SHORT + LONG):
        shutil.rmtree(folder / "runs", ignore_errors=True)
        # What the starting model says to pairs would be known from the run before; TRL computes it in each step.
        shutil.rmtree(folder / ".temper/cache/references", ignore_errors=True)
        ran = section.temper("run", f"steps-{steps}.toml", folder=folder)
        seconds.append(ran.seconds)
    return {"seconds": (seconds[1] - seconds[0]) / LONG, "peak": ran.peak_bytes}


def report(section):
    rows = []
    for stage, case in section["cases"].items():
        memory = [peak / 1e6 for peak in runs(case, "temper", "peak")]
        rows.append([
            {"lora": "SFT with LoRA", "dpo": "DPO", "grpo": "GRPO"}[stage],
            median(case, "temper", "seconds", "{:.2f} s"), median(case, "TRL", "seconds", "{:.2f} s"),
            ratios(runs(case, "TRL", "seconds"), runs(case, "temper", "seconds")),
            f"{max(memory):,.0f} MB" if memory else "not measured", peaks(case, "temper", "TRL", "peak"),
        ])
    return [
        f"Seconds of a step: {BATCH} rows of {LENGTH} tokens with LoRA of rank 16 on all matrices, {BATCH} pairs of {LENGTH} tokens a",
        "side, or 1 prompt of 32 tokens with 4 completions of 64 and the divergence from the starting model. The decoder is the 50M",
        "shape with random weights and nano's tokenizer. What the starting model says to pairs is part of the step on both sides.",
        "",
        *table(["step", "temper:", "TRL:", "ratio:", "peak memory:", "over TRL's:"], rows),
    ]
