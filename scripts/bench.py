"""temper and its peers on the same work, in turns (A B A B …); writes BENCHMARKS.md.

Quoted are the median of the ratios of neighbours and their spread: a shared machine changes its speed
from minute to minute, and both sides of a pair alike. `scripts/bench.sh` builds and calls this. What is measured
is kept in bench/cpu-bench.json; an interrupted run goes on from there, and without the file all is measured anew.
"""

import argparse
import json
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import pyarrow.parquet
import tokenizers
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = {"16M": 8, "50M": 6, "135M": 3}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("temper", help="the binary")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--shapes", nargs="+", default=list(STEPS))
parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
arguments = parser.parse_args()


def run(command, cwd=ROOT):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    return done.stdout


KEPT = ROOT / "bench" / "cpu-bench.json"
kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}


def measured(name, measure):
    """What `measure` gives, or gave before under this name."""
    if name not in kept:
        kept[name] = measure()
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1))
        print(name, flush=True)
    return kept[name]


def temper(number, *options):
    command = [arguments.temper, "bench", *options, "--json"]
    return measured(f"temper {number}: {options}", lambda: json.loads(run(command)))


def peer(number, *options):
    command = [sys.executable, "scripts/bench_torch.py", *options]
    return measured(f"PyTorch {number}: {options}", lambda: json.loads(run(command).splitlines()[-1]))


def spread(values, digits=2):
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def training(shape, precision):
    """A row of the training table: ratios of speed and of peak memory."""
    bf16 = precision == "bf16"
    steps = ["--steps", STEPS[shape]]
    ours, theirs, compiled = [], [], []
    for number in range(arguments.rounds):
        ours.append(temper(number, shape, "--precision", precision, *steps))
        theirs.append(peer(number, shape, *steps, *(["--bf16"] if bf16 else [])))
    if not (arguments.no_compile or bf16):
        compiled.append(peer(0, shape, *steps, "--compile"))
    speed = "train_tokens_per_second"
    memory = "peak_host_bytes"
    ratio = [a[speed] / b[speed] for a, b in zip(ours, theirs)]
    eager = statistics.median(b[speed] for b in theirs)
    cells = [
        shape, precision,
        f"{statistics.median(a[speed] for a in ours):,.0f}", f"{eager:,.0f}",
        f"{compiled[0][speed]:,.0f}" if compiled else "not measured",
        spread(ratio),
        f"{statistics.median(a['teraflops'] for a in ours) * 1e3:.0f}",
        f"{max(a[memory] for a in ours) / 1e6:,.0f} MB",
        f"{max(a[memory] for a in ours) / max(b[memory] for b in theirs):.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def generation():
    rows = []
    for batch in (1, 16):
        options = ["--generate", 64, "--batch", batch, "--steps", 1]
        pairs = [(temper(n, "16M", *options), peer(n, "16M", *options)) for n in range(arguments.rounds)]
        key = "generate_tokens_per_second"
        ratio = [a[key] / b[key] for a, b in pairs]
        ours = statistics.median(a[key] for a, _ in pairs)
        rows.append(f"| {batch} | {ours:,.0f} | {spread(ratio)} |")
    return rows


def seconds(command, cwd=ROOT):
    started = time.perf_counter()
    run(command, cwd)
    return time.perf_counter() - started


def tokenize_as_peers_do(tokenizer, files):
    """Parquet to ids the way users of `datasets.map(batched=True)` do it; seconds and bytes of text."""
    started, n_bytes = time.perf_counter(), 0
    for file in files:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(1000, columns=["text"]):
            texts = batch.column(0).to_pylist()
            for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
                len(encoding.ids)
            n_bytes += sum(len(text.encode()) for text in texts)
    return time.perf_counter() - started, n_bytes


def tokenizing(project):
    """The corpora of the quickstart: `temper plan`, whole process and with empty cache, against the
    tokenizers library from Python on the same files."""
    files = [project / f"data-manifests/corpora/{name}.parquet"
             for name in ("chem-properties", "prose", "encyclopedic", "technical", "dialog")]
    tokenizer = tokenizers.Tokenizer.from_file(str(project / "recipes/nano/model/tokenizer.json"))
    speeds, ratios = [], []
    for _ in range(arguments.rounds):
        shutil.rmtree(project / ".temper", ignore_errors=True)
        ours = seconds([arguments.temper, "plan", "recipes/quickstart.toml"], project)
        theirs, n_bytes = tokenize_as_peers_do(tokenizer, files)
        speeds.append(n_bytes / 1e6 / ours)
        ratios.append(theirs / ours)
    return f"{statistics.median(speeds):.1f} MB/s, {spread(ratios)} times as fast"


def resuming(project):
    """Seconds of a whole `temper resume` that trains one step of one row and saves."""
    recipe = (project / "recipes/quickstart.toml").read_text().split("[forgetting]")[0]
    recipe = recipe.replace("global_batch_size = 16", "global_batch_size = 1")
    (project / "recipes/short.toml").write_text(recipe.replace('"600k"', '"60k"'))
    run([arguments.temper, "run", "recipes/short.toml"], project)
    resume = [arguments.temper, "resume", "runs/quickstart", "--extend", "100"]
    return statistics.median(seconds(resume, project) for _ in range(5))


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


table = [training(shape, "f32") for shape in arguments.shapes]
table += [training(shape, "bf16") for shape in arguments.shapes]
generated = generation()
help = [arguments.temper, "--help"]
help_ms = 1e3 * measured("help", lambda: statistics.median(seconds(help) for _ in range(10)))
with tempfile.TemporaryDirectory() as folder:
    project = pathlib.Path(folder)
    for name in ("recipes", "data-manifests", "checkpoints"):
        shutil.copytree(ROOT / name, project / name)
    tokenized = measured("tokenizing", lambda: tokenizing(project))
    resumed = measured("resuming", lambda: resuming(project))
kind = temper(0, "16M", "--steps", 1)["device"]
text = f"""# Benchmarks

Written by `scripts/bench.sh`, which runs temper and its peers in turns on one machine. A ratio above 1 says that
temper is faster; memory ratios below 1 that it takes less. Ratios are medians of {arguments.rounds} pairs, with the least
and the largest. [docs/performance.md](docs/performance.md) says where the time goes.

Machine: {processor()}, {torch.get_num_threads()} cores, `{kind}`. PyTorch {torch.__version__.split("+")[0]},
transformers {transformers.__version__}.

## Training

A step of 4 rows of 256 positions: forward, backward, clipping by the global norm, AdamW. PyTorch with SDPA and
fused AdamW, bfloat16 under autocast (`scripts/bench_torch.py`); temper as `temper bench SHAPE`.

| shape | precision | tokens/s | PyTorch | compiled | ratio to eager | GFLOP/s | peak memory | over PyTorch's |
|---|---|---:|---:|---:|---:|---:|---:|---:|
{chr(10).join(table)}

## Generation

Greedy, 32 ids of prompt and 64 new ones, shape 16M, against `generate` of transformers with its cache.

| sequences | tokens/s | ratio |
|---:|---:|---:|
{chr(10).join(generated)}

## Tokenizing

{" ".join(tokenizing.__doc__.split())}

{tokenized}

## Starting

`temper --help` takes {help_ms:.0f} ms. A whole `temper resume` of nano that plans, loads, trains one step of one row and
saves takes {resumed:.2f} s.
"""
(ROOT / "BENCHMARKS.md").write_text(text)
print(text)
