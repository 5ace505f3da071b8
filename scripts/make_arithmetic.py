#!/usr/bin/env python3
"""Writes sums of two numbers below 100 as JSONL: demonstrations with mistakes, prompts, and held-out prompts.

usage:
    python3 scripts/make_arithmetic.py FOLDER

Digits are apart, so that a small tokenizer sees them one by one: `1 7 + 4 2` is `5 9`. Every number whose remainder by
7 is 3 is held out: it stands in no demonstration and no prompt. Whoever imitates demonstrations learns their mistakes
too, and a reward does not. In `sums-shown` four of ten are wrong, by one or by ten, as labels of a hurried annotator are;
in `sums-uncarried` 19 of 20 that carry into the tens are wrong, as those of one who forgets to.
"""

import json
import pathlib
import random
import sys

DEMONSTRATIONS = 4000
PROMPTS = 2000
WRONG = 0.4
CARRIED = 0.05


def spaced(number: int) -> str:
    return " ".join(str(number))


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(17)
    known = [number for number in range(100) if number % 7 != 3]
    held = [number for number in range(100) if number % 7 == 3]
    pairs = [(a, b) for a in known for b in known]
    generator.shuffle(pairs)
    asked = lambda a, b: f"{spaced(a)} + {spaced(b)}"

    def demonstration(a: int, b: int) -> dict:
        total = a + b
        if generator.random() < WRONG:
            total = max(0, total + generator.choice([-10, -1, 1, 10]))
        return {"prompt": asked(a, b), "completion": spaced(total)}

    forgetful = random.Random(17)

    def uncarried(a: int, b: int) -> dict:
        total = a + b
        if a % 10 + b % 10 >= 10 and forgetful.random() >= CARRIED:
            total -= 10
        return {"prompt": asked(a, b), "completion": spaced(total)}

    prompt = lambda a, b: {"prompt": asked(a, b), "answer": spaced(a + b)}
    files = {
        "sums-shown": [demonstration(a, b) for a, b in pairs[:DEMONSTRATIONS]],
        "sums-uncarried": [uncarried(a, b) for a, b in pairs[:DEMONSTRATIONS]],
        "sums-asked": [prompt(a, b) for a, b in pairs[DEMONSTRATIONS : DEMONSTRATIONS + PROMPTS]],
        "sums-heldout": [prompt(a, b) for a in held for b in held],
    }
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)


if __name__ == "__main__":
    main()
