"""temper and PyTorch on one GPU, shape after shape, within a limit of time; one JSON and one Markdown table.

`scripts/gpu-bench.sh` calls this.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import failures
import machine
from figures import MISSING, table
from gpu_memory import MemoryWatch, number, nvidia
from turns import PEERS, ROOT

# Rows of a step that fill a card of 80 GB well.
ROWS = {"16M": 16, "50M": 16, "135M": 16, "360M": 8, "1.2B": 4}
# Fewer groups of logits read the matrix of the head less often; a card often has the gigabyte.
MOST_LOGITS = (1 << 28, 1 << 25)
# Dense bfloat16 with 32-bit sums, from the makers' data sheets; the first name that is part of the card's.
PEAKS = {
    "B200": 2250, "H200": 989, "GH200": 989, "H100 NVL": 835, "H100 PCIe": 756, "H100": 989, "H20": 148, "A100": 312,
    "L40S": 362, "L40": 181, "RTX 6000 Ada": 364, "RTX 4090": 165, "RTX A6000": 155, "A10G": 70, "RTX 3090": 71, "L4": 121,
}
STILL_RUNNING = "still running after"
PROBE = ("checkpoints/nano/pretrained", "--rows", "1", "--sequence-length", "8", "--steps", "1", "--json")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--temper", type=pathlib.Path, required=True)
    parser.add_argument("--device")
    parser.add_argument("--precision", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--shapes", nargs="+", default=["135M", "360M", "1.2B"])
    parser.add_argument("--seconds", type=float, default=460)
    parser.add_argument("--peak-teraflops", type=float)
    options = parser.parse_args()
    options.temper = options.temper.absolute()
    if not options.temper.exists():
        sys.exit(f"error: `{options.temper}` is not there\n\nhint: `cargo build --release --features cuda` (or `vulkan`) makes it")
    # As nvidia-smi counts cards; CUDA alone would begin with the fastest.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    options.out.mkdir(parents=True, exist_ok=True)
    Bench(options).all()


class Bench:
    """All runs, written down after each."""

    def __init__(self, options):
        self.options, self.runs = options, []
        self.deadline = time.monotonic() + options.seconds
        self.precision, self.device = options.precision, options.device
        if self.device is None:
            self.find_device()
        card = nvidia(self.device, "name,driver_version,memory.total,power.limit")
        peak = options.peak_teraflops
        if peak is None and card and self.precision == "bf16":
            peak = next((peak for name, peak in PEAKS.items() if f" {name}" in f" {card}"), None)
        self.peak = peak
        self.about = {"commit": machine.commit(), "card": card, "device": self.device}
        self.no_torch = self.why_no_torch() if self.device != "cpu" else None

    def all(self):
        self.left_to_run = len(self.options.shapes) * (1 if self.no_torch else 2)
        for shape in self.options.shapes:
            self.fitting(shape, "temper", self.temper)
            if not self.no_torch:
                self.fitting(shape, "PyTorch", self.pytorch)
        print(self.markdown())

    def find_device(self):
        """Sets the first kind of GPU that this binary was built for and that this machine has."""
        found = {}
        for device in ("cuda:0", "vulkan:0", "wgpu:0"):
            self.device = device
            ran = self.run([self.options.temper, "bench", *PROBE, "--device", device], 90)
            # What is absent fails at once; kernels may take longer to compile and tune.
            if "result" in ran or ran["failed"].startswith(STILL_RUNNING):
                return
            found[device] = ran["failed"]
        sys.exit("error: no GPU to measure\n" + "\n".join(f"  {device}: {why}" for device, why in found.items()))

    def why_no_torch(self):
        """PyTorch calls AMD's cards cuda as well; it trains through nothing else."""
        check = "import torch, transformers; assert torch.cuda.is_available(), 'it sees no GPU'"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
        return done.stderr.strip().splitlines()[-1] if done.returncode else None

    def fitting(self, shape, side, command):
        """A run with as many rows as memory holds, and at last one row whose activations are computed again.

        temper takes fewer logits at once before it takes fewer rows.
        """
        rows = self.options.rows or ROWS.get(shape, 4)
        seconds = 2 * self.left() / self.left_to_run
        self.left_to_run -= 1
        tries = [(rows >> halved, False) for halved in range(rows.bit_length())] + [(1, True)]
        # PyTorch has all logits at once; on the CPU temper has as many as it has without being asked.
        most_logits = (None,) if side == "PyTorch" else MOST_LOGITS[1:] if self.device == "cpu" else MOST_LOGITS
        for rows, checkpointing, most in ((*rows, most) for rows in tries for most in most_logits):
            ran = self.run(command(shape, rows, checkpointing, most), seconds)
            if side == "temper" and self.precision == "bf16" and "does not compute in" in ran.get("failed", ""):
                print(f"{self.device} lacks bfloat16: f32 from here on", file=sys.stderr)
                self.precision, self.peak = "f32", self.options.peak_teraflops
                ran = self.run(command(shape, rows, checkpointing, most), seconds)
            if not ran.get("lacks_memory"):
                break
        ran = {"side": side, "shape": shape, "rows": rows, "activation_checkpointing": checkpointing, "most_logits": most,
               "precision": self.precision, **ran}
        self.runs.append(ran)
        told = ran.get("failed") or f"{ran['result']['train_tokens_per_second']:,.0f} tokens/s"
        print(f"{side} {shape}, {rows} rows: {told}; {self.left():.0f} s left", file=sys.stderr)
        self.save()

    def save(self):
        # Both may have changed since the first run.
        on = {**self.about, "precision": self.precision, "peak_teraflops": self.peak}
        (self.options.out / "gpu-bench.json").write_text(json.dumps({"on": on, "runs": self.runs}, indent=1))
        (self.options.out / "gpu-bench.md").write_text(self.markdown())

    def temper(self, shape, rows, checkpointing, most_logits):
        command = [self.options.temper, "bench", shape, "--device", self.device, "--precision", self.precision, "--rows", rows,
                   "--sequence-length", self.options.length, "--steps", self.options.steps, "--generate", 64, "--batch", 16,
                   "--most-logits", most_logits]
        command += ["--activation-checkpointing"] if checkpointing else []
        return [*command, *(["--peak-teraflops", self.peak] if self.peak else []), "--json"]

    def pytorch(self, shape, rows, checkpointing, _):
        device = "cpu" if self.device == "cpu" else f"cuda:{number(self.device)}"
        command = [sys.executable, PEERS / "train_torch.py", shape, "--device", device, "--rows", rows,
                   "--length", self.options.length, "--steps", self.options.steps, "--generate", 64, "--batch", 16]
        command += ["--checkpointing"] if checkpointing else []
        return command + (["--bf16"] if self.precision == "bf16" else [])

    def run(self, command, seconds):
        """What the command printed as JSON, or why it failed; the device's memory meanwhile."""
        if self.left() <= 0:
            return {"failed": "time ran out"}
        started = time.monotonic()
        with MemoryWatch(self.device) as memory:
            try:
                done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True,
                                      timeout=min(seconds, self.left()))
            except subprocess.TimeoutExpired:
                return {"failed": f"{STILL_RUNNING} {time.monotonic() - started:.0f} s"}
        if done.returncode != 0:
            said = done.stderr, done.returncode
            return {"failed": failures.reason(*said), "lacks_memory": failures.lacks_memory(*said)}
        # temper prints many lines, the peer one behind warnings.
        text = done.stdout if done.stdout.startswith("{") else done.stdout.splitlines()[-1]
        return {"peak_mib": memory.peak, "seconds": time.monotonic() - started, "result": json.loads(text)}

    def left(self):
        return self.deadline - time.monotonic()

    def markdown(self):
        """A cell is "not measured" where there is no figure, and the reason stands below."""
        of = {(run["side"], run["shape"]): run for run in self.runs}
        pairs = [(shape, *(of.get((side, shape), {}) for side in ("temper", "PyTorch"))) for shape in self.options.shapes]
        results = [run["result"] for run in self.runs if "result" in run]
        kinds = {result["device"]: None for result in results if "version" in result}
        versions = [f"temper {result['version']}" for result in results if "version" in result][:1]
        versions += [f"PyTorch {result['torch']}, transformers {result['transformers']}"
                     for result in results if "torch" in result][:1]
        head = ["shape", "rows × length", "logits at once:", "tokens/s:", "MFU:", "peak memory:", "generation, 16 sequences:", "PyTorch, rows",
                "tokens/s:", "ratio:", "peak memory:", "generation:"]
        peak = f", {self.peak:.0f} TFLOP/s at best" if self.peak else ", whose best is not known: no MFU"
        lines = [f"{self.about['card'] or 'Card unknown'}; {', '.join(kinds) or self.device}, {self.precision}{peak}.",
                 f"Commit {self.about['commit']}; {', '.join(versions) or 'nothing ran'}. Memory is that of the whole device.",
                 "Generation is in 32-bit floats on both sides: temper's has no other precision.", "",
                 *table(head, [row(*pair) for pair in pairs]), ""]
        if self.no_torch:
            lines.append(f"PyTorch: not measured: {self.no_torch}")
        lines += [f"{run['side']} {run['shape']}: not measured: {run['failed']}" for run in self.runs if "failed" in run]
        return "\n".join(lines) + "\n"


def row(shape, ours, theirs):
    speed, generation = "train_tokens_per_second", "generate_tokens_per_second"

    def cell(run, key, form="{:,.0f}"):
        found = run.get("result", {}).get(key)
        return form.format(found) if found else MISSING

    def memory(run):
        return f"{run['peak_mib'] / 1024:.1f} GiB" if run.get("peak_mib") else MISSING

    def rows(run):
        again = ", recomputed" if run.get("activation_checkpointing") else ""
        return f"{run['rows']} × {run['result']['length']:,}{again}" if "result" in run else MISSING

    both = "result" in ours and "result" in theirs
    mfu = ours.get("result", {}).get("mfu")
    logits = f"2^{ours['most_logits'].bit_length() - 1}" if "result" in ours else MISSING
    return [
        shape, rows(ours), logits, cell(ours, speed), f"{100 * mfu:.1f} %" if mfu else MISSING, memory(ours), cell(ours, generation),
        rows(theirs), cell(theirs, speed), f"{ours['result'][speed] / theirs['result'][speed]:.2f}" if both else MISSING,
        memory(theirs), cell(theirs, generation),
    ]


if __name__ == "__main__":
    main()
