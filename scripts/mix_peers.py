#!/usr/bin/env python3
"""Mixing and packing as the usual tools do them, beside what `cargo bench --bench mix` measured, as ratios.

usage, from the top of the repository, on an idle machine:
    pip install datasets trl
    cargo bench --workspace --bench mix
    python3 scripts/mix_peers.py [--criterion target/criterion]

Sources, shares, row length and document lengths are those of crates/mix/benches/mix.rs. TRL's packing
copies the ids into rows, which temper does when it reads a batch; so temper's packing is put beside it
together with its reading.
"""

import argparse
import json
import pathlib
import time

import numpy as np
from datasets import Dataset, interleave_datasets
from trl import pack_dataset

SHARES = [0.7, 0.25, 0.05]
ROW = 1024
ROWS = 20_000
DOCUMENTS = 30_000


def measured(criterion: pathlib.Path, bench: str) -> float:
    """Seconds of one iteration."""
    estimates = json.loads((criterion / bench / "new" / "estimates.json").read_text())
    return estimates["mean"]["point_estimate"] / 1e9


def lengths(shortest: int, longest: int) -> list[int]:
    return [shortest + ((k % 997) ** 2 * 7919) % (longest - shortest + 1) for k in range(DOCUMENTS)]


def interleaved(iterable: bool) -> float:
    """Tokens per second out of `interleave_datasets`."""
    rng = np.random.default_rng(0)
    parts = [
        Dataset.from_dict({"ids": rng.integers(0, 50_000, (ROWS, ROW), dtype=np.int32)}).with_format("numpy")
        for _ in SHARES
    ]
    if iterable:
        parts = [part.to_iterable_dataset() for part in parts]
    mixed = interleave_datasets(parts, probabilities=SHARES, seed=1, stopping_strategy="first_exhausted")
    started, n_rows = time.perf_counter(), 0
    for batch in mixed.iter(16):
        n_rows += len(batch["ids"])
    return n_rows * ROW / (time.perf_counter() - started)


def packed(shortest: int, longest: int) -> float:
    """Documents per second through `trl.pack_dataset`, which splits only what is longer than a row."""
    ids = [np.arange(length, dtype=np.int32) % 50_000 for length in lengths(shortest, longest)]
    dataset = Dataset.from_dict({"input_ids": ids})
    started = time.perf_counter()
    pack_dataset(dataset, ROW, "bfd_split", {"load_from_cache_file": False})
    return DOCUMENTS / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--criterion", type=pathlib.Path, default=pathlib.Path("target/criterion"))
    folder = parser.parse_args().criterion
    loading = 2000 * 16 * ROW / measured(folder, "load/batches of 16 × 1,024 tokens from shards")
    lines = []
    for name, iterable in [("map-style", False), ("iterable", True)]:
        lines.append((f"tokens out of interleave_datasets, {name}", loading, interleaved(iterable)))
    for name, (shortest, longest) in {"plain text": (50, 4000), "short conversations": (20, 400)}.items():
        per_document = measured(folder, f"pack/{name}") / 300_000
        per_document += sum(lengths(shortest, longest)) / DOCUMENTS / loading
        lines.append((f"documents through trl.pack_dataset, {name}", 1 / per_document, packed(shortest, longest)))
    for name, ours, theirs in lines:
        print(f"{name}: temper {ours:,.0f}/s, peer {theirs:,.0f}/s, ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
