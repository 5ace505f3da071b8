"""How long temper takes to begin: its help, and a run that is resumed for one step."""

import pathlib
import shutil
import tempfile

from figures import median
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
        section.turns("resume", {"temper": lambda: section.temper(*resume, folder=folder).seconds}, rounds=5)


def report(section):
    cases = section["cases"]
    help, resume = (median(cases.get(case, {"sides": {}}), "temper", form="{:.3f} s") for case in ("help", "resume"))
    return [
        f"`temper --help` takes {help}. A whole `temper resume` of nano that plans, loads, trains one step of one row and",
        f"saves takes {resume}.",
    ]
