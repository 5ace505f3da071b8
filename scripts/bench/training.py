"""Training steps and their peak memory, against PyTorch, eager and compiled."""

import json
import statistics

from figures import MISSING, median, peaks, ratios, runs, table

NEEDS = ("torch", "transformers")
PRECISIONS = ("f32", "bf16")
STEPS = {"16M": 8, "50M": 6, "135M": 2}
SPEED, MEMORY = "train_tokens_per_second", "peak_host_bytes"
EAGER, COMPILED = "PyTorch", "PyTorch compiled"


def measure(section, options):
    for precision in options.precisions:
        for shape in options.shapes:
            steps = ("--steps", STEPS.get(shape, 2))
            flags = ("--bf16",) if precision == "bf16" else ()

            def ours():
                return json.loads(section.temper("bench", shape, "--precision", precision, *steps, "--json").out)

            def theirs(*more):
                return section.peer("train_torch.py", NEEDS, shape, *steps, *flags, *more)

            case, sides = f"{shape} {precision}", {"temper": ours, EAGER: theirs}
            if options.compile:
                sides[COMPILED] = lambda: theirs("--compile")
            section.turns(case, sides)
            if not options.compile:
                section.leave_out(case, COMPILED, "left out by `--no-compile`")


def report(section):
    rows = []
    for name, case in section["cases"].items():
        shape, precision = name.split()
        memory = [bytes / 1e6 for bytes in runs(case, "temper", MEMORY)]
        rows.append([
            shape, precision, *(median(case, side, SPEED) for side in ("temper", EAGER, COMPILED)), against_faster(case),
            f"{1e3 * float(median(case, 'temper', 'teraflops', '{}')):.0f}",
            f"{max(memory):,.0f} MB", peaks(case, "temper", EAGER, MEMORY),
        ])
    head = ["shape", "precision", "tokens/s:", "PyTorch:", "compiled:", "ratio to the faster of both:", "GFLOP/s:", "peak memory:",
            "over eager's:"]
    return [
        "A step of 4 rows of 256 positions: forward, backward, clipping by the global norm, AdamW. PyTorch with SDPA and fused",
        "AdamW, bfloat16 under autocast; compiled is `torch.compile` on the same; what its first step compiles is not counted.",
        "",
        *table(head, rows),
    ]


def against_faster(case):
    """The ratio to eager or compiled, whose median is higher, and which of them it was."""
    speeds = {side: statistics.median(found) for side in (EAGER, COMPILED) if (found := runs(case, side, SPEED))}
    if not speeds:
        return MISSING
    faster = max(speeds, key=speeds.get)
    name = ("compiled" if faster == COMPILED else "eager") + ("" if len(speeds) == 2 else " alone")
    return f"{ratios(runs(case, 'temper', SPEED), runs(case, faster, SPEED))}, {name}"
