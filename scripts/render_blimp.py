"""The first pairs by digest of each BLiMP paradigm, as a choice between the good and the bad sentence.

    python scripts/render_blimp.py DATA [--manifests data-manifests]

DATA is the folder with eval/general/blimp.parquet.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from corpus_writer import draw, write_corpus

PAIRS_PER_PARADIGM = 15


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifests", type=Path, default=Path("data-manifests"))
    arguments = parser.parse_args()

    paradigms = defaultdict(list)
    for pair in pq.read_table(arguments.data / "eval/general/blimp.parquet").to_pylist():
        row_id = f"{pair['UID']}/{pair['pairID']}"
        choices = [pair["sentence_good"], pair["sentence_bad"]]
        # A model that always takes the first choice must score a half.
        gold = draw("gold", row_id) % 2
        paradigms[pair["UID"]].append({
            "id": row_id,
            "context": "",
            "choices": choices[::-1] if gold == 1 else choices,
            "gold": gold,
            "cluster": pair["UID"],
            "field": pair["field"],
        })
    rows = []
    for paradigm in sorted(paradigms):
        chosen = sorted(paradigms[paradigm], key=lambda row: draw("pair", row["id"]))[:PAIRS_PER_PARADIGM]
        rows += sorted(chosen, key=lambda row: row["id"])
    write_corpus(
        arguments.manifests,
        id="blimp",
        category="grammar",
        licence="CC-BY-4.0",
        source="github.com/alexwarstadt/blimp, data/*.jsonl @3e56b06fca; 15 of the 1,000 pairs of each paradigm",
        attribution="BLiMP, Warstadt et al. 2020, TACL 8:377-392",
        split="heldout",
        columns={"id": "id", "context": "context", "choices": "choices", "gold": "gold", "cluster": "cluster"},
        rows=rows,
        rows_per_group=500,
    )


if __name__ == "__main__":
    main()
