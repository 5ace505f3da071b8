#!/usr/bin/env python3
"""What fine-tuning, preferences, rounds and rewards teach the nano checkpoint and cost it, over seeds, as tables.

usage, from the top of the repository, after `cargo build --release`; preferences needs pyarrow:
    python3 scripts/stage_evidence.py {instructions,preferences,rounds,sums} [--temper FILE] [--seeds 17 18 19]
    python3 scripts/stage_evidence.py preferences --pairs FOLDER

FOLDER has short_politeness_pairs_1100.jsonl; what is made of it lies in .temper/evidence, which git ignores.
A run that is there already is not repeated. Figures are means over seeds, with 95 % intervals by Student's t; those of
differences also over the items of the suite (`items`), each with its mean over the seeds.
"""

import argparse
import pathlib

from evidence.instructions import instructions
from evidence.intervals import MOST_SEEDS
from evidence.politeness import HELD_OUT, TRAIN, politeness
from evidence.preferences import Pairs, preferences
from evidence.project import Project
from evidence.rounds import rounds
from evidence.sums import sums

TABLES = {"instructions": instructions, "preferences": preferences, "rounds": rounds, "sums": sums}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=TABLES)
    parser.add_argument("--temper", type=pathlib.Path, default="target/release/temper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[17, 18, 19])
    parser.add_argument("--pairs", type=pathlib.Path, metavar="FOLDER", help="politeness pairs instead of our own")
    arguments = parser.parse_args()
    if len(arguments.seeds) > MOST_SEEDS:
        parser.error(f"--seeds: found {len(arguments.seeds)}, expected {MOST_SEEDS} at most")
    here = Project(arguments.temper, pathlib.Path())
    if arguments.pairs is None:
        TABLES[arguments.what](here, arguments.seeds)
    elif arguments.what == "preferences":
        preferences(politeness(here, arguments.pairs), arguments.seeds, Pairs("politeness.toml", TRAIN, HELD_OUT))
    else:
        parser.error("--pairs goes with `preferences`")


if __name__ == "__main__":
    main()
