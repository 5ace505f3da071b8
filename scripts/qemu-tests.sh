#!/usr/bin/env bash
# temper on processors that are not here, under qemu-user: x86-64 without AVX (a Nehalem), and aarch64. Each generates,
# trains nano for four steps and audits that run. The data order has to be the native one, bit for bit; losses are
# sums of other instructions and have to agree to 1e-4.
#
# usage: scripts/qemu-tests.sh [x86-64] [aarch64]   both if none is named; nothing is installed
#   TEMPER=path/to/temper                 the native binary; built if left out
#   TEMPER_AARCH64=path/to/temper         the cross-built one; built if left out
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(x86-64 aarch64)
wants() { [[ " ${kinds[*]} " == *" $1 "* ]]; }
for kind in "${kinds[@]}"; do
  case $kind in x86-64 | aarch64) ;; *) echo "error: \`$kind\`: expected x86-64 or aarch64" >&2; exit 2 ;; esac
done

missing=()
needs() { command -v "$1" > /dev/null || missing+=("$1: $2"); }
if wants x86-64; then needs qemu-x86_64 "apt-get install qemu-user"; fi
if wants aarch64; then
  needs qemu-aarch64 "apt-get install qemu-user"
  # Its C library is what the emulated program is linked with as well.
  needs aarch64-linux-gnu-gcc "apt-get install gcc-aarch64-linux-gnu"
  if [ -z "${TEMPER_AARCH64:-}" ] && [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    missing+=("the standard library of $target: rustup target add $target")
  fi
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "NOT TESTED under qemu, because this is missing here:" >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi

targets=${CARGO_TARGET_DIR:-target}
if [ -z "${TEMPER:-}" ]; then
  cargo build --release --workspace
  TEMPER=$targets/release/temper
fi
# Optimised: without that a step of training takes minutes under qemu.
if wants aarch64 && [ -z "${TEMPER_AARCH64:-}" ]; then
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    cargo build --release --workspace --target "$target"
  TEMPER_AARCH64=$targets/$target/release/temper
fi
TEMPER=$(realpath "$TEMPER")
if wants aarch64; then TEMPER_AARCH64=$(realpath "$TEMPER_AARCH64"); fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r checkpoints data-manifests "$folder"
mkdir "$folder/recipes"
# A few documents of each: whole corpora take minutes to tokenize under qemu.
for corpus in dialog chem-properties; do
  sed -i 's/^schema = 1$/&\nmax_documents = 30/' "$folder/data-manifests/$corpus.toml"
done
cat > "$folder/recipes/emulated.toml" << 'TOML'
schema = 1
name = "emulated"
stage = "mid-train"
seed = 17
[model]
from = "checkpoints/nano/pretrained"
[training]
max_steps = 4
sequence_length = 64
global_batch_size = 1
[data_mixing]
weights = { chem-properties = 3, dialog = 1 }
max_epochs = 100
[optimizer]
lr = 1e-4
[checkpoint]
every = 100
TOML
cd "$folder"

# Generates, trains and audits; leaves the text, the digest and the losses in files named after the kind.
whole() {
  local kind=$1 started=$SECONDS
  shift
  rm -rf .temper
  "$@" generate checkpoints/nano/pretrained --prompt "The water" --max-tokens 16 > "$kind.text"
  "$@" run recipes/emulated.toml --set "name=$kind" > "$kind.run" 2>&1 || { cat "$kind.run" >&2; exit 1; }
  "$@" audit "runs/$kind" --json > "$kind.audit" || { cat "$kind.audit" >&2; exit 1; }
  sed -n 's/.*"derived": "\(.*\)".*/\1/p' "$kind.audit" > "$kind.digest"
  "$TEMPER" query "runs/$kind" "SELECT loss FROM steps ORDER BY step" > "$kind.losses"
  echo "$kind: $(grep -o 'cpu/[^)]*' "$kind.run" | head -1), $((SECONDS - started)) s"
  echo "  data order $(cat "$kind.digest")"
  echo "  losses $(tail -n +2 "$kind.losses" | xargs)"
  echo "  generated: $(tr '\n' ' ' < "$kind.text")"
}
failed=0
compare() {
  local kind=$1
  if ! cmp -s native.digest "$kind.digest"; then
    echo "FAILED: $kind: another data order than the native one" >&2
    failed=1
  fi
  if ! paste native.losses "$kind.losses" | tail -n +2 |
    awk '{ d = $1 - $2; if (d < 0) d = -d; if (!(d <= 1e-4 * $1)) exit 1; n++ } END { exit n != 4 }'; then
    echo "FAILED: $kind: other losses than the native ones" >&2
    failed=1
  fi
  cmp -s native.text "$kind.text" || echo "  another text than the native one: rounding decided between two tokens"
}

whole native "$TEMPER"
[ -s native.digest ] || { echo "FAILED: the audit says no digest" >&2; exit 1; }
if wants x86-64; then
  whole nehalem qemu-x86_64 -cpu Nehalem "$TEMPER"
  compare nehalem
fi
if wants aarch64; then
  whole aarch64 qemu-aarch64 -L /usr/aarch64-linux-gnu "$TEMPER_AARCH64"
  compare aarch64
fi
if [ $failed = 0 ]; then echo "data order and losses agree: native ${kinds[*]}"; fi
exit $failed
