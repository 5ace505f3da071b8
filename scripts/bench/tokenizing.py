"""Parquet to ids: `temper plan` with an empty cache, against the tokenizers library from Python on the same files."""

import hashlib
import json
import pathlib
import shutil
import statistics
import tempfile

from figures import MISSING, ratios, runs, table
from turns import ROOT

NEEDS = ("tokenizers", "pyarrow")
CORPORA = ("chem-properties", "prose", "encyclopedic", "technical", "dialog")
RECIPE = """schema = 1
name = "tokenizing"
stage = "pretrain"
seed = 1
[model]
init = "model"
[training]
max_steps = 64
sequence_length = 512
global_batch_size = 16
[tokenization]
bos = false
eos = false
[data_mixing]
weights = {{ {weights} }}
[optimizer]
lr = 1e-4
[checkpoint]
every = 100
"""


def measure(section, options):
    tokenizers = {"nano's": ROOT / "recipes/nano/model/tokenizer.json"}
    if options.tokenizer:
        other = pathlib.Path(options.tokenizer)
        tokenizers[other.name] = other
    for name, tokenizer in tokenizers.items():
        # Files of one name differ, and one file has many names.
        case = f"{name}, {n_ids(tokenizer):,} tokens, {hashlib.sha256(tokenizer.read_bytes()).hexdigest()[:12]}"
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            project(folder, tokenizer)
            files = [folder / f"data-manifests/corpora/{corpus}.parquet" for corpus in CORPORA]
            section.turns(case, {
                "temper": lambda: ours(section, folder),
                "tokenizers": lambda: section.peer("tokenize_parquet.py", NEEDS, folder / "model/tokenizer.json", *files),
            })
        sides = section.record["cases"][case]["sides"]
        n_tokens = {run["tokens"] for of in sides.values() for run in of}
        if len(n_tokens) > 1:
            section.refuse(case, f"temper and tokenizers find different numbers of tokens: {n_tokens}")


def project(folder, tokenizer):
    """A recipe over the corpora, and a model that is never made: its tokenizer is all that counts."""
    shutil.copytree(ROOT / "data-manifests", folder / "data-manifests")
    (folder / "model").mkdir()
    shutil.copy(tokenizer, folder / "model/tokenizer.json")
    config = json.loads((ROOT / "recipes/nano/model/config.json").read_text())
    config["vocab_size"] = n_ids(tokenizer)
    (folder / "model/config.json").write_text(json.dumps(config))
    (folder / "recipes").mkdir()
    weights = ", ".join(f"{corpus} = 1" for corpus in CORPORA)
    (folder / "recipes/tokenizing.toml").write_text(RECIPE.format(weights=weights))


def n_ids(tokenizer):
    content = json.loads(tokenizer.read_text())
    return 1 + max([*content["model"]["vocab"].values(), *(token["id"] for token in content.get("added_tokens", []))])


def ours(section, folder):
    shutil.rmtree(folder / ".temper", ignore_errors=True)
    ran = section.temper("plan", "recipes/tokenizing.toml", "--json", folder=folder)
    sources = json.loads(ran.out)["plan"]["sources"]
    return {"seconds": ran.seconds, "tokens": sum(source["n_tokens"] for source in sources)}


def report(section):
    rows = []
    for name, case in section["cases"].items():
        theirs, times = runs(case, "tokenizers", "seconds"), runs(case, "temper", "seconds")
        # How much text it is, the peer says.
        n_bytes = runs(case, "tokenizers", "bytes")
        speeds = [f"{n_bytes[0] / 1e6 / statistics.median(side):.1f} MB/s" if n_bytes else MISSING for side in (times, theirs)]
        rows.append([name, *speeds, ratios(theirs, times)])
    only = ["", "Another tokenizer, such as GPT-2's: not measured: `TOKENIZER` named none."] if len(rows) == 1 else []
    return [
        "The corpora of the quickstart: `temper plan`, whole process and with empty cache, against the tokenizers library from",
        "Python on the same files, imports not counted. Both have to find the same number of tokens.",
        "",
        *table(["tokenizer", "temper:", "tokenizers:", "ratio:"], rows),
        *only,
    ]
