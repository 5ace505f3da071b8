#!/usr/bin/env bash
# How fast a GPU trains and generates: shapes of 135M, 360M and 1.2B at 2,048 positions, in under 8 minutes.
#
# usage: scripts/gpu-bench.sh [OUT_FOLDER]          writes OUT_FOLDER/gpu-bench.json and gpu-bench.md
#   TEMPER=path/to/temper    a binary with `--features cuda` or `vulkan`; otherwise target/release/temper
#   DEVICE=cuda:0            or vulkan:0
#   PRECISION=bf16           f32 where the device lacks bfloat16
#   PEAK_TFLOPS=989          dense bfloat16; known of some cards by name, and without it no MFU is said
#   PYTHON=python3           with torch and transformers it runs them on the same shapes, in turns
#   SHAPES="135M 360M 1.2B"  LENGTH=2048  STEPS=10  SECONDS_LIMIT=460
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-bench}
temper=${TEMPER:-${CARGO_TARGET_DIR:-target}/release/temper}
device=${DEVICE:-cuda:0} precision=${PRECISION:-bf16} length=${LENGTH:-2048} steps=${STEPS:-10}
shapes=${SHAPES:-135M 360M 1.2B} limit=${SECONDS_LIMIT:-460} python=${PYTHON:-python3}
mkdir -p "$out"
lines=$out/gpu-bench.jsonl
: > "$lines"

declare -A rows=([16M]=16 [50M]=16 [135M]=16 [360M]=8 [1.2B]=4)
# At least a second: `timeout 0` would wait for ever.
left() { echo $((limit - SECONDS > 1 ? limit - SECONDS : 1)); }
# Memory of the whole device, sampled while a command runs; empty without nvidia-smi.
with_memory() {
  local name=$1; shift
  local samples; samples=$(mktemp)
  local watcher=
  if command -v nvidia-smi > /dev/null; then
    (while :; do
      nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -i "${device##*:}" >> "$samples" 2> /dev/null
      sleep 0.2
    done) &
    watcher=$!
  fi
  local result status=0
  result=$(timeout "$(left)" "$@" 2> "$out/last-error.txt") || status=$?
  [ -n "$watcher" ] && kill "$watcher" 2> /dev/null
  local peak; peak=$(sort -n "$samples" | tail -1)
  rm -f "$samples"
  if [ $status -eq 0 ]; then
    printf '{"of":"%s","peak_mib":%s,"result":%s}\n' "$name" "${peak:-null}" "$(tr -d '\n' <<< "$result")" >> "$lines"
    echo "$name: done, $(left) s left" >&2
  else
    printf '{"of":"%s","failed":%s}\n' "$name" "$status" >> "$lines"
    echo "$name: failed with $status; $(tail -c 300 "$out/last-error.txt")" >&2
  fi
}

# Dense bfloat16 with 32-bit sums, from the makers' data sheets.
if [ -z "${PEAK_TFLOPS:-}" ] && [ "$precision" = bf16 ] && command -v nvidia-smi > /dev/null; then
  case "$(nvidia-smi --query-gpu=name --format=csv,noheader -i "${device##*:}" 2> /dev/null || true)" in
    *H200* | *"H100 80GB HBM3"* | *GH200*) PEAK_TFLOPS=989 ;;
    *"H100 NVL"*) PEAK_TFLOPS=835 ;;
    *"H100 PCIe"*) PEAK_TFLOPS=756 ;;
    *L40S*) PEAK_TFLOPS=362 ;;
    *A100*) PEAK_TFLOPS=312 ;;
  esac
fi
peak=(); [ -n "${PEAK_TFLOPS:-}" ] && peak=(--peak-teraflops "$PEAK_TFLOPS")
torch=no
if [ "${device%%:*}" = cuda ] && "$python" -c 'import torch, transformers; assert torch.cuda.is_available()' 2> /dev/null; then
  torch=yes
fi
bf16=(); [ "$precision" = bf16 ] && bf16=(--bf16)
for shape in $shapes; do
  n=${ROWS:-${rows[$shape]:-4}}
  with_memory "temper $shape" "$temper" bench "$shape" --device "$device" --precision "$precision" \
    --rows "$n" --sequence-length "$length" --steps "$steps" --generate 64 --batch 16 "${peak[@]}" --json
  if [ $torch = yes ]; then
    with_memory "torch $shape" "$python" scripts/bench_torch.py "$shape" --device "$device" \
      --rows "$n" --length "$length" --steps "$steps" --generate 64 --batch 16 "${bf16[@]}"
  fi
done

# The table: a cell is "not measured" where there is no figure.
"$python" - "$lines" "$out" << 'PYTHON'
import json, sys
lines, out = sys.argv[1:]
entries = [json.loads(line) for line in open(lines)]
json.dump(entries, open(f"{out}/gpu-bench.json", "w"), indent=1)
peers = {e["of"].split()[1]: e for e in entries if e["of"].startswith("torch ") and "result" in e}
table = ["| shape | rows × length | tokens/s | MFU | peak memory | generation, 16 sequences | PyTorch: tokens/s | ratio "
         "| peak memory | generation |",
         "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
missing = "not measured"
gib = lambda e: f'{e["peak_mib"] / 1024:.1f} GiB' if e and e.get("peak_mib") else missing
generated = lambda e: e and e["result"].get("generate_tokens_per_second")
for e in entries:
    kind, shape = e["of"].split()
    if kind != "temper":
        continue
    if "result" not in e:
        table.append(f"| {shape} |" + f" {missing} |" * 9)
        continue
    r, peer = e["result"], peers.get(shape)
    speed = r["train_tokens_per_second"]
    cells = [
        shape, f'{r["rows"]} × {r["length"]}', f"{speed:,.0f}",
        f'{100 * r["mfu"]:.1f} %' if r.get("mfu") else missing,
        gib(e),
        f"{generated(e):,.0f}" if generated(e) else missing,
        f'{peer["result"]["train_tokens_per_second"]:,.0f}' if peer else missing,
        f'{speed / peer["result"]["train_tokens_per_second"]:.2f}' if peer else missing,
        gib(peer),
        f"{generated(peer):,.0f}" if generated(peer) else missing,
    ]
    table.append("| " + " | ".join(cells) + " |")
device = next((e["result"]["device"] for e in entries if e["of"].startswith("temper ") and "result" in e), missing)
precision = next((e["result"]["precision"] for e in entries if e["of"].startswith("temper ") and "result" in e), missing)
text = f"Device: {device}, {precision}.\n\n" + "\n".join(table) + "\n"
open(f"{out}/gpu-bench.md", "w").write(text)
print(text)
PYTHON
