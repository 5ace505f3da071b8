#!/usr/bin/env bash
# How fast a GPU trains and generates: shapes of 135M, 360M and 1.2B at 2,048 positions, in under 8 minutes.
#
# usage: scripts/gpu-bench.sh [OUT_FOLDER]          writes OUT_FOLDER/gpu-bench.json and gpu-bench.md
#   TEMPER=path/to/temper    a binary with `--features cuda` or `vulkan`; otherwise target/release/temper
#   DEVICE=cuda:0            or vulkan:0; without it the first that this binary and machine have
#   PRECISION=bf16           f32 where the device lacks bfloat16, which is then found out
#   PEAK_TFLOPS=989          dense, in that precision; known of some cards by name, and without it no MFU is said
#   CUDA_VISIBLE_DEVICES     is heeded; cards are counted as nvidia-smi counts them
#   PYTHON=python3           with torch and transformers it runs them on the same shapes, in turns
#   SHAPES="135M 360M 1.2B"  LENGTH=2048  STEPS=10  SECONDS_LIMIT=460
#   ROWS=4                   of every shape; otherwise 16, 8 and 4, and fewer logits at once, then fewer rows, where memory does not hold them
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
command -v "$python" > /dev/null || { echo "error: \`$python\` is not there; install Python 3, or say PYTHON" >&2; exit 1; }
options=(--temper "${TEMPER:-${CARGO_TARGET_DIR:-target}/release/temper}" --precision "${PRECISION:-bf16}"
  --length "${LENGTH:-2048}" --steps "${STEPS:-10}" --seconds "${SECONDS_LIMIT:-460}" --shapes ${SHAPES:-135M 360M 1.2B})
[ -z "${DEVICE:-}" ] || options+=(--device "$DEVICE")
[ -z "${PEAK_TFLOPS:-}" ] || options+=(--peak-teraflops "$PEAK_TFLOPS")
[ -z "${ROWS:-}" ] || options+=(--rows "$ROWS")
exec "$python" scripts/bench/gpu.py "${1:-bench}" "${options[@]}"
