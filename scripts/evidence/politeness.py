"""A project of pairs that may not lie in the repository: polite answers, and blunt ones to the same instructions.

They were written by a model whose terms bind what it wrote: corpora, recipe and runs of them stay in a folder that git
ignores. Everything else in the folder is a link.
"""

import json
import pathlib

from .project import Project
from .unigrams import rows

FILE = "short_politeness_pairs_1100.jsonl"
SOURCE = (
    "github.com/rasbt/LLMs-from-scratch, "
    "ch07/04_preference-tuning-with-dpo/instruction-data-with-preference.json @28c65cdfbc"
)
FOLDER = ".temper/evidence/politeness"
TRAIN, HELD_OUT = "politeness-pairs", "politeness-pairs-heldout"
# Of the pairs above the better answers, and of the held-out ones the worse, as conversations.
BETTER, WORSE = "politeness-better", "politeness-worse"


def link(path: pathlib.Path, to: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(to.absolute())


def rewritten(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"found no `{old}` to rewrite"
        text = text.replace(old, new)
    return text


def split(pairs: list[dict], held_out: set[str]) -> dict[str, list[dict]]:
    """Pairs by corpus: held out are those whose instruction no fine-tuning stage saw; an instruction counts once."""
    found: dict[str, dict[str, dict]] = {TRAIN: {}, HELD_OUT: {}}
    for pair in pairs:
        prompt = "\n".join(part for part in (pair["instruction"], pair["input"]) if part)
        if pair["chosen"] != pair["rejected"]:
            row = {"prompt": prompt, "chosen": pair["chosen"], "rejected": pair["rejected"]}
            found[HELD_OUT if prompt in held_out else TRAIN].setdefault(prompt, row)
    return {corpus: list(by_prompt.values()) for corpus, by_prompt in found.items()}


def links(here: Project, there: Project) -> None:
    for pattern in ("checkpoints", "recipes", "data-manifests/*.toml", "data-manifests/c*/*"):
        for path in here.root.glob(pattern):
            link(there.root / path.relative_to(here.root), path)


def corpora(there: Project, lines: list[str]) -> None:
    manifests = there.root / "data-manifests"
    held_out = {row["messages"][0]["content"] for row in rows(manifests, "instructions-heldout")}
    for corpus, pairs in split([json.loads(line) for line in lines], held_out).items():
        if (manifests / f"{corpus}.toml").exists():
            continue
        path = there.root / f"{corpus}.jsonl"
        path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
        about = ("--category", "instructions", "--licence", "LicenseRef-Llama-3.1", "--source", SOURCE)
        part = "heldout" if corpus == HELD_OUT else "train"
        out = f"data-manifests/corpora/{corpus}.parquet"
        there.ask("corpus", "import", path.name, "--pairs", "--out", out, "--id", corpus, "--split", part, *about)
    # Curated rows hold the better answers, and what the stage's own mix names may not be among them.
    for pairs, answers, changes in (
        (TRAIN, BETTER, {'rejected = "rejected"\n': ""}),
        (HELD_OUT, WORSE, {'rejected = "rejected"\n': "", 'messages = "messages"': 'messages = "rejected"'}),
    ):
        manifest = (manifests / f"{pairs}.toml").read_text(encoding="utf-8")
        changes = {f'id = "{pairs}"': f'id = "{answers}"'} | changes
        (manifests / f"{answers}.toml").write_text(rewritten(manifest, changes), encoding="utf-8")


def recipe_and_suite(here: Project, there: Project) -> None:
    """Those of our own pairs with these in their place."""
    own = {'"preferences"': '"politeness"'}
    suite = (here.root / "data-manifests/suites/preferences.toml").read_text(encoding="utf-8")
    held_out = {"instruction-pairs-heldout": HELD_OUT, "instructions-heldout": HELD_OUT}
    changes = own | held_out | {"instructions-shuffled": WORSE}
    suites = there.root / "data-manifests/suites"
    suites.mkdir(exist_ok=True)
    (suites / "politeness.toml").write_text(rewritten(suite, changes), encoding="utf-8")
    recipe = (here.root / "recipes/nano/preferences.toml").read_text(encoding="utf-8")
    changes = own | {"instruction-pairs": TRAIN, "\ninstructions = 40": f"\n{BETTER} = 40"}
    (there.root / "politeness.toml").write_text(rewritten(recipe, changes), encoding="utf-8")


def politeness(here: Project, folder: pathlib.Path) -> Project:
    """Makes the project of the pairs in `folder`, as far as it is not there."""
    there = Project(here.temper, here.root / FOLDER)
    links(here, there)
    corpora(there, (folder / FILE).read_text(encoding="utf-8").splitlines())
    recipe_and_suite(here, there)
    return there
