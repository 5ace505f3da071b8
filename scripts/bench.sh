#!/usr/bin/env bash
# Measures this machine's speed against its peers, in turns, and writes BENCHMARKS.md.
#
# 60 to 80 minutes on 2 cores by estimate, half of it torch.compile, which is run in turns with the others;
# BENCHMARKS.md says what it took.
#
# usage, from the top of the repository, on an idle machine:
#   python3 -m venv .venv
#   .venv/bin/pip install -r scripts/bench/requirements.txt
#   PYTHON=.venv/bin/python scripts/bench.sh [--no-compile | --render]
#   ROUNDS=3                how often each pair is run; starting takes 10 and 5 whatever it says
#   SECTIONS="training generation tokenizing mixing scoring stages starting"
#                           what to measure; the others are as bench/cpu.json has them
#   SHAPES="16M 50M 135M"   decoders to train
#   PRECISIONS="f32 bf16"   to train them in; a processor without AVX512-BF16 has little to compare in bf16
#   TOKENIZER=tokenizer.json  such as GPT-2's: tokenize with it beside nano's
# --no-compile leaves torch.compile out: training is then held against PyTorch's eager mode alone.
# --render writes BENCHMARKS.md anew from bench/cpu.json and measures nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
options=(--rounds "${ROUNDS:-3}")
[ -z "${SECTIONS:-}" ] || options+=(--sections $SECTIONS)
[ -z "${SHAPES:-}" ] || options+=(--shapes $SHAPES)
[ -z "${PRECISIONS:-}" ] || options+=(--precisions $PRECISIONS)
[ -z "${TOKENIZER:-}" ] || options+=(--tokenizer "$TOKENIZER")
[[ " $* " == *" --render "* ]] || cargo build --release --workspace
"$python" scripts/bench "${CARGO_TARGET_DIR:-target}/release/temper" "${options[@]}" "$@"
