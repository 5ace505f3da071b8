"""Mixing and packing as the usual tools do them; one line of JSON.

Sources, shares, row length and document lengths are those of crates/mix/benches/mix.rs.
"""

import json
import time

import numpy as np
from datasets import Dataset, interleave_datasets
from trl import pack_dataset

SHARES = [0.7, 0.25, 0.05]
ROW, ROWS, DOCUMENTS = 1024, 20_000, 30_000


def lengths(shortest, longest):
    return [shortest + ((k % 997) ** 2 * 7919) % (longest - shortest + 1) for k in range(DOCUMENTS)]


def interleaved(iterable):
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


def packed(of):
    """Documents per second through `trl.pack_dataset`, which splits only what is longer than a row."""
    dataset = Dataset.from_dict({"input_ids": [np.arange(length, dtype=np.int32) % 50_000 for length in of]})
    started = time.perf_counter()
    pack_dataset(dataset, ROW, "bfd_split", {"load_from_cache_file": False})
    return DOCUMENTS / (time.perf_counter() - started)


result = {"map-style": interleaved(False), "iterable": interleaved(True)}
for name, ends in {"plain text": (50, 4000), "short conversations": (20, 400)}.items():
    of = lengths(*ends)
    result |= {name: packed(of), f"{name}, length": sum(of) / DOCUMENTS}
print(json.dumps(result))
