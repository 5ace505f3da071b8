"""Training steps and their peak memory, against PyTorch, eager and compiled."""

import json

from figures import median, peaks, ratios, runs, table

NEEDS = ("torch", "transformers")
STEPS = {"16M": 8, "50M": 6, "135M": 2}
SPEED, MEMORY = "train_tokens_per_second", "peak_host_bytes"


def measure(section, options):
    for precision in ("f32", "bf16"):
        for shape in options.shapes:
            steps = ("--steps", STEPS.get(shape, 2))
            flags = ("--bf16",) if precision == "bf16" else ()

            def ours():
                return json.loads(section.temper("bench", shape, "--precision", precision, *steps, "--json").out)

            def theirs(*more):
                return section.peer("train_torch.py", NEEDS, shape, *steps, *flags, *more)

            case = f"{shape} {precision}"
            section.turns(case, {"temper": ours, "PyTorch": theirs})
            if options.compile:
                # Compiling takes longer than the steps.
                section.turns(case, {"compiled": lambda: theirs("--compile")}, rounds=1)


def report(section):
    rows = []
    for name, case in section["cases"].items():
        shape, precision = name.split()
        memory = [bytes / 1e6 for bytes in runs(case, "temper", MEMORY)]
        rows.append([
            shape, precision, median(case, "temper", SPEED), median(case, "PyTorch", SPEED), median(case, "compiled", SPEED),
            ratios(runs(case, "temper", SPEED), runs(case, "PyTorch", SPEED)),
            f"{1e3 * float(median(case, 'temper', 'teraflops', '{}')):.0f}",
            f"{max(memory):,.0f} MB", peaks(case, "temper", "PyTorch", MEMORY),
        ])
    head = ["shape", "precision", "tokens/s:", "PyTorch:", "compiled:", "ratio to eager:", "GFLOP/s:", "peak memory:",
            "over PyTorch's:"]
    return [
        "A step of 4 rows of 256 positions: forward, backward, clipping by the global norm, AdamW. PyTorch with SDPA and fused",
        "AdamW, bfloat16 under autocast; compiled is `torch.compile` on the same, once.",
        "",
        *table(head, rows),
    ]
