"""Log-likelihoods of documents and of choices with transformers; one line of JSON.

usage: score_transformers.py CHECKPOINT NAME=FILE.parquet …

A file has the column text, or context, choices and gold. Sequences go through the model in batches of like length,
as lm-evaluation-harness does it, so that little is padding.
"""

import json
import sys
import time

import pyarrow.parquet
import tokenizers
import torch
import transformers

WINDOW, BATCH = 512, 16


def windows(ids):
    """(inputs, targets, first position that counts) of a document, cut without overlap."""
    return [(ids[at:-1][:WINDOW], ids[at + 1:][:WINDOW], 0) for at in range(0, len(ids) - 1, WINDOW)]


def continuation(context, choice):
    ids = context + choice
    return ids[:-1], ids[1:], len(context) - 1


@torch.inference_mode()
def likelihoods(model, sequences):
    """Of each sequence the sum of the log-probabilities of its targets."""
    order = sorted(range(len(sequences)), key=lambda at: -len(sequences[at][0]))
    found = [0.0] * len(sequences)
    for first in range(0, len(order), BATCH):
        batch = [sequences[at] for at in order[first:first + BATCH]]
        longest = len(batch[0][0])
        inputs, targets, counts = (torch.zeros(len(batch), longest, dtype=torch.long) for _ in range(3))
        for row, (ids, wanted, start) in enumerate(batch):
            inputs[row, :len(ids)] = torch.tensor(ids)
            targets[row, :len(ids)] = torch.tensor(wanted)
            counts[row, start:len(ids)] = 1
        # Padding lies behind, where causal attention does not look.
        logits = model(inputs).logits.float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        for at, total in zip(order[first:first + BATCH], (losses * counts).sum(1).tolist()):
            found[at] = -total
    return found


checkpoint, *tasks = sys.argv[1:]
started = time.perf_counter()
tokenizer = tokenizers.Tokenizer.from_file(f"{checkpoint}/tokenizer.json")
model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
begin = [model.config.bos_token_id]


def encode(texts):
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


scores = {}
for task in tasks:
    name, file = task.split("=", 1)
    rows = pyarrow.parquet.read_table(file).to_pydict()
    if "choices" in rows:
        contexts = [begin + ids for ids in encode(rows["context"])]
        sequences, n_scored = [], 0
        for context, texts, gold in zip(contexts, rows["choices"], rows["gold"]):
            choices = encode(texts)
            sequences += [continuation(context, choice) for choice in choices]
            n_scored += len(choices[gold])
        found = iter(likelihoods(model, sequences))
        items = [[next(found) for _ in texts] for texts in rows["choices"]]
        right = [max(range(len(item)), key=item.__getitem__) == gold for item, gold in zip(items, rows["gold"])]
        total = sum(item[gold] for item, gold in zip(items, rows["gold"]))
        scores[name] = {"loss": -total / n_scored, "accuracy": sum(right) / len(right)}
    else:
        sequences = [window for ids in encode(rows["text"]) for window in windows(begin + ids)]
        total = sum(likelihoods(model, sequences))
        scores[name] = {"loss": -total / sum(len(ids) for ids, _, _ in sequences), "accuracy": None}
print(json.dumps({"seconds": time.perf_counter() - started, "tasks": scores}))
