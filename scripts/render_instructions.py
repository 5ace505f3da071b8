"""Short instructions as conversations, as pairs of answers, as judged answers, and the same words without roles; one in
eleven is held out.

    python scripts/render_instructions.py DATA [--manifests data-manifests]

DATA is the folder with sft/short_instructions_1100.jsonl. Held-out instructions come twice: with their own answer, and
with that of another one. How much likelier the right answer is tells following an instruction from the tone of answers.
In pairs the own answer is preferred to that of another instruction: each answer is the better one once and the worse one
once, so that nothing in an answer alone tells which it is. Of judged answers each stands twice as well: liked behind its
own instruction, not liked behind another one, and every instruction stands once.
"""

import argparse
import json
from pathlib import Path

from corpus_writer import draw, write_corpus

HELD_OUT = 100
SOURCE = (
    "github.com/rasbt/LLMs-from-scratch, ch07/01_main-chapter-code/instruction-data.json @28c65cdfbc; "
    "rendered by scripts/render_instructions.py"
)


def exchanged(pairs):
    """Each question with the answer half-way round: neighbours of one kind do not get each other's."""
    answers = [answer for *_, answer in pairs]
    half = len(pairs) // 2
    turned = answers[half:] + answers[:half]
    return [(name, question, answer) for (name, question, _), answer in zip(pairs, turned)]


def judged(pairs):
    """Of two questions half-way apart, one with its own answer, which is liked, and the other with that same answer."""
    half = len(pairs) // 2
    rows = []
    for number, couple in enumerate(zip(pairs, pairs[half : 2 * half])):
        (name, question, answer), (other, asked, own) = couple if number % 2 == 0 else couple[::-1]
        if answer != own:
            rows += [(name, question, answer, True), (other, asked, answer, False)]
    return sorted(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--manifests", type=Path, default=Path("data-manifests"))
    arguments = parser.parse_args()

    asked = {}
    for line in (arguments.data / "sft/short_instructions_1100.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        question = "\n".join(part for part in (row["instruction"], row["input"]) if part)
        # The same question twice would be seen and held out.
        if row["output"]:
            asked.setdefault(question, row["output"])
    pairs = [(f"instruction-{number:04}", question, answer) for number, (question, answer) in enumerate(asked.items())]
    held = sorted(pairs, key=lambda pair: draw("instruction", pair[1]))[:HELD_OUT]
    held.sort()
    names = {name for name, *_ in held}
    train = [pair for pair in pairs if pair[0] not in names]
    shuffled = exchanged(held)

    def chat(name, question, answer):
        said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return {"id": name, "messages": said}

    def write(id, split, columns, rows):
        write_corpus(
            arguments.manifests,
            id=id,
            category="instructions",
            licence="Apache-2.0",
            source=SOURCE,
            attribution="Sebastian Raschka, Build a Large Language Model (From Scratch), 2024",
            split=split,
            columns={"id": "id", **{name: name for name in columns}},
            rows=rows,
            rows_per_group=1000,
        )

    write("instructions", "train", ["messages"], [chat(*pair) for pair in train])
    write("instructions-heldout", "heldout", ["messages"], [chat(*pair) for pair in held])
    write("instructions-shuffled", "heldout", ["messages"], [chat(*pair) for pair in shuffled])
    for id, split, rows in (("instruction-pairs", "train", train), ("instruction-pairs-heldout", "heldout", held)):
        # Answers in common are no pair.
        pairs = [
            {**chat(*own), "rejected": chat(*other)["messages"]}
            for own, other in zip(rows, exchanged(rows))
            if own[2] != other[2]
        ]
        write(id, split, ["messages", "rejected"], pairs)
    answers = [{**chat(name, question, answer), "label": liked} for name, question, answer, liked in judged(train)]
    write("instruction-feedback", "train", ["messages", "label"], answers)
    plain = [{"id": name, "text": f"{question}\n{answer}\n"} for name, question, answer in train]
    write("instructions-plain", "train", ["text"], plain)
    for id, rows in (("instructions-plain-heldout", held), ("instructions-plain-shuffled", shuffled)):
        items = [{"id": name, "context": f"{question}\n", "answer": f"{answer}\n"} for name, question, answer in rows]
        write(id, "heldout", ["context", "answer"], items)


if __name__ == "__main__":
    main()
