"""Parquet to ids the way users of `datasets.map(batched=True)` do it; one line of JSON.

usage: tokenize_parquet.py TOKENIZER.json FILE.parquet …
"""

import json
import sys
import time

import pyarrow.parquet
import tokenizers

tokenizer, *files = sys.argv[1:]
started = time.perf_counter()
tokenizer = tokenizers.Tokenizer.from_file(tokenizer)
n_bytes = n_tokens = 0
for file in files:
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches(1000, columns=["text"]):
        texts = batch.column(0).to_pylist()
        for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
            n_tokens += len(encoding.ids)
        n_bytes += sum(len(text.encode()) for text in texts)
print(json.dumps({"seconds": time.perf_counter() - started, "tokens": n_tokens, "bytes": n_bytes}))
