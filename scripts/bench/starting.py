"""How long temper takes to begin: its help, and a run that is resumed for one step.

No line of temper's tells its first batch. What it writes after the step, the first part of the ledger, bounds it from
above and leaves saving out.
"""

import json
import pathlib
import shutil
import tempfile

from figures import MISSING, median
from turns import ROOT


def measure(section, options):
    section.turns("help", {"temper": lambda: section.temper("--help").seconds}, rounds=10)
    if len(section.record["cases"].get("resume", {"sides": {}})["sides"].get("temper", [])) >= 5:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in ("recipes", "data-manifests", "checkpoints"):
            shutil.copytree(ROOT / part, folder / part)
        recipe = (folder / "recipes/quickstart.toml").read_text().split("[forgetting]")[0]
        recipe = recipe.replace("global_batch_size = 16", "global_batch_size = 1")
        (folder / "recipes/short.toml").write_text(recipe.replace('"600k"', '"60k"'))
        section.temper("run", "recipes/short.toml", folder=folder)
        resume = ("resume", "runs/quickstart", "--extend", 100)
        config = json.loads((folder / "checkpoints/nano/pretrained/config.json").read_text())
        section.record["shape"] = (
            f"{config['num_hidden_layers']} layers, {config['hidden_size']} wide, {config['vocab_size']:,} tokens"
        )
        section.turns("resume", {"temper": lambda: resumed(section.temper(*resume, folder=folder), folder)}, rounds=5)


def resumed(ran, folder):
    """Seconds until the step is trained, and in all."""
    parts = [part.stat().st_mtime for part in (folder / "runs/quickstart/ledger").glob("*.parquet")]
    return {"trained": min(at for at in parts if at >= ran.began) - ran.began, "seconds": ran.seconds}


def report(section):
    help, resume = (section["cases"].get(case, {"sides": {}}) for case in ("help", "resume"))
    trained, whole = (median(resume, "temper", key, "{:.2f} s") for key in ("trained", "seconds"))
    on = section["on"]
    return [
        f"`temper --help` takes {median(help, 'temper', form='{:.3f} s')}. `temper resume` of nano ({section.get('shape', MISSING)}) for a",
        f"step of one row takes {trained} until that is trained (planning and loading in it; the first batch is earlier than that), and",
        f"{whole} with saving and its report; on {on['processor']}, {on['cores']} cores, `{on['device']}`.",
    ]
