"""temper and its peers on the same work, in turns (A B A B …); writes BENCHMARKS.md.

`scripts/bench.sh` builds and calls this. What is measured is kept in bench/cpu.json after each run of a side: an
interrupted measurement goes on from there, and sections can be measured one by one. A peer that is not installed is
left out and said to be.
"""

import argparse
import os
import pathlib
import sys

import generation
import machine
import mixing
import report
import scoring
import stages
import starting
import tokenizing
import training
from turns import ROOT, Kept, Section

SECTIONS = {
    "training": training, "generation": generation, "tokenizing": tokenizing, "mixing": mixing, "scoring": scoring,
    "stages": stages, "starting": starting,
}


def main():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("temper", help="the binary, in the target folder of cargo")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair is run")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--shapes", nargs="+", default=list(training.STEPS), help="decoders to train")
    parser.add_argument("--precisions", nargs="+", choices=training.PRECISIONS, default=list(training.PRECISIONS),
                        help="to train them in")
    parser.add_argument("--tokenizer", help="a tokenizer.json, such as GPT-2's, to tokenize with beside nano's")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave torch.compile out")
    parser.add_argument("--render", action="store_true", help="write BENCHMARKS.md from what was measured before")
    parser.add_argument("--kept", type=pathlib.Path, default=ROOT / "bench/cpu.json")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "BENCHMARKS.md")
    options = parser.parse_args()
    kept = Kept(options.kept)
    if not options.render:
        temper = pathlib.Path(options.temper).absolute()
        here = machine.here(temper)
        load = os.getloadavg()[0]
        if load > 0.5:
            print(f"warning: other work is running (a load of {load:.1f}): figures will be off", file=sys.stderr)
        try:
            for name in options.sections:
                section = Section(name, kept, here, temper, options.rounds, asked(options))
                SECTIONS[name].measure(section, options)
        except KeyboardInterrupt:
            sys.exit(f"interrupted; what was measured is in {options.kept}, and the same command goes on from there")
    options.out.write_text(report.markdown(SECTIONS, kept.sections))
    print(f"wrote {options.out}", file=sys.stderr)


def asked(options):
    """What a reader types for the same, apart from the sections; a tokenizer without the folder that it lies in."""
    words = [f"ROUNDS={options.rounds}"]
    if options.shapes != list(training.STEPS):
        words.append(f'SHAPES="{" ".join(options.shapes)}"')
    if options.precisions != list(training.PRECISIONS):
        words.append(f'PRECISIONS="{" ".join(options.precisions)}"')
    if options.tokenizer:
        words.append(f"TOKENIZER={pathlib.Path(options.tokenizer).name}")
    return " ".join([*words, "scripts/bench.sh", *([] if options.compile else ["--no-compile"])])


main()
