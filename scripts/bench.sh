#!/usr/bin/env bash
# Measures this machine's speed against its peers, in turns, and writes BENCHMARKS.md.
#
# usage, from the top of the repository, on an idle machine:
#   python3 -m venv .venv && .venv/bin/pip install torch transformers tokenizers pyarrow datasets trl
#   PYTHON=.venv/bin/python scripts/bench.sh
#   ROUNDS=3                how often each pair is run
#   SHAPES="16M 50M 135M"   decoders to train
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
cargo build --release --workspace
"$python" scripts/bench.py "${CARGO_TARGET_DIR:-target}/release/temper" --rounds "${ROUNDS:-3}" \
  --shapes ${SHAPES:-16M 50M 135M}
