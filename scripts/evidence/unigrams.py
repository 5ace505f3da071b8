"""What words alone say of pairs: by how much commoner they are in better answers than in worse ones."""

import collections
import math
import pathlib
import re
import tomllib

from .intervals import Item

# A better answer and a worse one.
Pair = tuple[str, str]


def words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


def rows(manifests: pathlib.Path, corpus: str) -> list[dict]:
    # Tables without words need no pyarrow.
    import pyarrow.parquet

    files = tomllib.loads((manifests / f"{corpus}.toml").read_text(encoding="utf-8"))["files"]
    return [row for file in files for row in pyarrow.parquet.read_table(manifests / file["path"]).to_pylist()]


def log_odds(pairs: list[Pair]) -> dict[str, float]:
    """Of each word, with one added to its counts; a word that is not there says nothing."""
    counts = [collections.Counter(word for pair in pairs for word in words(pair[side])) for side in (0, 1)]
    known = counts[0] | counts[1]
    share = lambda count, word: (count[word] + 1) / (count.total() + len(known))
    return {word: math.log(share(counts[0], word) / share(counts[1], word)) for word in known}


def score(weights: dict[str, float], answer: str) -> float:
    """Per word, as answers differ in length."""
    found = words(answer)
    return sum(weights.get(word, 0.0) for word in found) / max(len(found), 1)


def right(manifests: pathlib.Path, train: str, heldout: str) -> list[Item]:
    """Of each held-out pair 1 where words prefer the better answer, a half where they say the same of both."""
    answers = lambda row: (row["messages"][-1]["content"], row["rejected"][-1]["content"])
    weights = log_odds([answers(row) for row in rows(manifests, train)])
    found = []
    for row in rows(manifests, heldout):
        better, worse = (score(weights, answer) for answer in answers(row))
        same = math.isclose(better, worse, abs_tol=1e-9)
        found.append((row["id"], 0.5 if same else float(better > worse), 1.0))
    return found
