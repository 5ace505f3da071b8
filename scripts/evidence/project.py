"""A project folder: recipes run in it with a seed, and what their runs say."""

import dataclasses
import json
import pathlib
import statistics
import subprocess
import time

GENERAL = ("prose", "encyclopedic", "technical")


@dataclasses.dataclass(frozen=True)
class Project:
    temper: pathlib.Path
    root: pathlib.Path

    def ask(self, *call: str) -> str:
        found = subprocess.run([self.temper.absolute(), *call], cwd=self.root, capture_output=True, text=True)
        if found.returncode:
            raise SystemExit(f"temper {' '.join(call)}\n{found.stderr}")
        return found.stdout

    def run(self, recipe: str, seed: int, last: str = "") -> str:
        """Runs a recipe with a seed unless that was done; the last run of it."""
        name = f"{pathlib.Path(recipe).stem}-{seed}"
        of = f"runs/{name}{last}"
        outcome = self.root / of / "outcome.json"
        end = json.loads(outcome.read_text())["end"] if outcome.exists() else None
        if end in ("interrupted", "failed"):
            raise SystemExit(f"{of}: found a run that is {end}, expected a whole one\n\nhint: `temper resume {of}`, or remove it")
        if end is None:
            started = time.monotonic()
            self.ask("run", recipe, "--set", f"seed={seed}", "--set", f"name={name}")
            print(f"# {name}: {time.monotonic() - started:.0f} s", flush=True)
        return of

    def report(self, of: str) -> dict:
        return json.loads(self.ask("report", of, "--json"))


def task(report: dict, name: str, moment: str) -> float:
    return next(task[moment] for task in report["forgetting"]["tasks"] if task["task"] == name)


def general(report: dict, moment: str) -> float:
    return statistics.mean(task(report, name, moment) for name in GENERAL)
