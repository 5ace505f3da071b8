#!/usr/bin/env bash
# The tests of the training path on a GPU through wgpu: on the machine's own, or on Mesa's software driver.
#
# usage: scripts/gpu-tests.sh       installs the software driver where no driver is and the machine lets it
set -euo pipefail
cd "$(dirname "$0")/.."

has_driver() { compgen -G '/usr/share/vulkan/icd.d/*.json' > /dev/null || compgen -G '/etc/vulkan/icd.d/*.json' > /dev/null; }
if ! has_driver && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  (apt-get update -qq && apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1) > /dev/null || true
fi
if ! has_driver; then
  echo "SKIPPED: tests on a GPU: no Vulkan driver, and none could be installed; install mesa-vulkan-drivers" >&2
  exit 0
fi
# Drivers look for a folder of their own.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
  XDG_RUNTIME_DIR=$(mktemp -d)
  trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
  export XDG_RUNTIME_DIR
fi
# A driver that is there has to serve: its absence is a failure from here on.
TEMPER_REQUIRE_GPU=1 cargo test --profile gpu-tests -p temper-train --features wgpu --test gpu "$@"
