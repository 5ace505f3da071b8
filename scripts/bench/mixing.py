"""Mixing, packing and reading, against `datasets.interleave_datasets` and `trl.pack_dataset`.

Sources, shares, row length and document lengths are those of crates/mix/benches/mix.rs. TRL's packing copies the ids
into rows, which temper does when it reads a batch; so temper's packing is put beside it together with its reading.
"""

import json
import pathlib
import shutil
import sys

from figures import median, ratios, runs, table
from turns import ROOT, NotMeasured, Ran

NEEDS = ("numpy", "datasets", "trl")
BENCH = ("cargo", "bench", "--workspace", "--bench", "mix")
LOADING = "load/batches of 16 × 1,024 tokens from shards"
TOKENS_LOADED = 2000 * 16 * 1024
DOCUMENTS_PACKED = 300_000
TEXTS = ("plain text", "short conversations")


def measure(section, options):
    if shutil.which("cargo"):
        print("mixing: building the bench", file=sys.stderr)
        built = Ran([*BENCH, "--no-run"], ROOT)
        if built.status != 0:
            sys.exit(f"{' '.join(BENCH)}: {built.errors[-2000:]}")
    section.turns("mixing", {
        "temper": lambda: ours(section),
        "peers": lambda: section.peer("mix_datasets.py", NEEDS),
    })


def ours(section):
    """Tokens a second from shards, and seconds of packing a document."""
    if shutil.which("cargo") is None:
        raise NotMeasured("cargo is not installed")
    section.note("cargo", [*BENCH[1:], "--", "'pack|load'"])
    ran = Ran([*BENCH, "--", "pack|load"], ROOT)
    if ran.status != 0:
        sys.exit(f"{' '.join(BENCH)}: {ran.errors[-2000:]}")

    metadata = Ran(["cargo", "metadata", "--format-version", "1", "--no-deps"], ROOT)
    criterion = pathlib.Path(json.loads(metadata.out)["target_directory"], "criterion")

    def seconds(bench):
        estimates = json.loads((criterion / bench / "new/estimates.json").read_text())
        return estimates["mean"]["point_estimate"] / 1e9

    return {"tokens": TOKENS_LOADED / seconds(LOADING),
            **{text: seconds(f"pack/{text}") / DOCUMENTS_PACKED for text in TEXTS}}


def report(section):
    case = section["cases"]["mixing"]
    mine, theirs = runs(case, "temper"), runs(case, "peers")

    def row(what, ours, others):
        figures = {"sides": {"temper": ours, "peers": others}}
        return [what, *(median(figures, side, form="{:,.0f}/s") for side in ("temper", "peers")), ratios(ours, others)]

    loaded = [run["tokens"] for run in mine]
    rows = [row(f"tokens out of `interleave_datasets`, {kind}", loaded, [run[kind] for run in theirs])
            for kind in ("map-style", "iterable")]
    for text in TEXTS:
        # A document is packed, and its tokens are read; how long it is, the peer says.
        per_second = [1 / (ours[text] + other[f"{text}, length"] / ours["tokens"]) for ours, other in zip(mine, theirs)]
        rows.append(row(f"documents through `trl.pack_dataset`, {text}", per_second, [run[text] for run in theirs]))
    return [
        "Three sources with shares of 70, 25 and 5 in rows of 1,024; documents of 50 to 4,000 ids, or conversations of 20 to 400.",
        "temper's packing together with its reading from shards, one core, since TRL's copies the ids too.",
        "",
        *table(["", "temper:", "peer:", "ratio:"], rows),
    ]
