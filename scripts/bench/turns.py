"""Runs of temper and of its peers in turns, kept in a file after each.

An interrupted measurement goes on from that file. Figures of another commit or uncommitted change (`machine.PROGRAM`),
machine or version are never mixed with new ones: a section that is measured again elsewhere begins anew.
"""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PEERS = pathlib.Path(__file__).resolve().parent / "peers"


class NotMeasured(Exception):
    """Why a peer was not run."""


class Ran:
    """What a command printed, when it began, its seconds, and the bytes of its largest resident set."""

    def __init__(self, command, folder, environment=None):
        command = [str(part) for part in command]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            self.began, started = time.time(), time.perf_counter()
            process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=errors, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds = time.perf_counter() - started
            # Popen does not know that it ended.
            process.returncode = self.status = os.waitstatus_to_exitcode(status)
            self.peak_bytes = usage.ru_maxrss * 1024
            out.seek(0)
            errors.seek(0)
            self.out, self.errors = out.read(), errors.read()


class Kept:
    """The file, as {section: what was measured}."""

    def __init__(self, path):
        self.path = path
        self.sections = json.loads(path.read_text()) if path.exists() else {}

    def save(self):
        self.path.parent.mkdir(exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(self.sections, indent=1))
        beside.replace(self.path)


class Section:
    """What is measured of one section: of each case the runs of each side, and the commands that they were."""

    def __init__(self, name, kept, here, temper, rounds, asked):
        self.name, self.kept, self.temper_path, self.rounds, self.asked = name, kept, temper, rounds, asked
        record = kept.sections.get(name)
        if record is None or not is_same(record["on"], here):
            record = {"on": here, "asked": [], "seconds": 0.0, "commands": [], "cases": {}}
        # A package that came since has a version as well.
        record["on"]["versions"] |= here["versions"]
        self.record = kept.sections[name] = record

    def turns(self, case, sides, rounds=None):
        """Runs the sides one after another, and again. A side gives what it measured, or raises `NotMeasured`."""
        rounds = rounds or self.rounds
        found = self.record["cases"].setdefault(case, {"sides": {}, "missing": {}})
        # What was missing may be there now.
        missed, found["missing"] = found["missing"], {}
        self.begin_anew_for_latecomers(case, found, {side: sides[side] for side in missed if side in sides})
        for number in range(rounds):
            for side, measure in sides.items():
                runs = found["sides"].setdefault(side, [])
                if len(runs) > number or side in found["missing"]:
                    continue
                started = time.perf_counter()
                try:
                    runs.append(measure())
                except NotMeasured as why:
                    found["missing"][side] = str(why)
                seconds = time.perf_counter() - started
                self.record["seconds"] += seconds
                if self.asked not in self.record["asked"]:
                    self.record["asked"].append(self.asked)
                self.kept.save()
                why = found["missing"].get(side)
                told = f"not measured: {why}" if why else f"{seconds:.1f} s"
                print(f"{self.name}: {case}, round {number + 1} of {rounds}, {side}: {told}", file=sys.stderr, flush=True)

    def begin_anew_for_latecomers(self, case, found, missed):
        """A side that can be run since, such as a peer installed later, has no neighbours among the old runs."""
        for side, measure in missed.items():
            try:
                measure()
            except NotMeasured as why:
                found["missing"][side] = str(why)
            else:
                print(f"{self.name}: {case}: {side} can be run now: this case begins anew", file=sys.stderr)
                found["sides"] = {}
                return

    def refuse(self, case, why):
        """Ends the measurement because both sides did not do the same; their runs are not kept."""
        del self.record["cases"][case]
        self.kept.save()
        sys.exit(f"{self.name}: {case}: {why}")

    def leave_out(self, case, side, why):
        """Says of a case why a side has no figure."""
        found = self.record["cases"].setdefault(case, {"sides": {}, "missing": {}})
        if not found["sides"].get(side):
            found["missing"][side] = why
            self.kept.save()
            print(f"{self.name}: {case}, {side}: not measured: {why}", file=sys.stderr)

    def temper(self, *options, folder=ROOT):
        """A run of temper, which has to succeed."""
        self.note("temper", options, folder)
        ran = Ran([self.temper_path, *options], folder)
        if ran.status != 0:
            sys.exit(f"temper {' '.join(map(str, options))}: {ran.errors[-2000:]}")
        return ran

    def peer(self, script, needs, *options):
        """The JSON that a script of peers/ prints in its last line."""
        missing = [package for package in needs if importlib.util.find_spec(package) is None]
        if missing:
            raise NotMeasured(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed")
        self.note(f"python3 scripts/bench/peers/{script}", options)
        offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
        ran = Ran([sys.executable, PEERS / script, *options], ROOT, offline)
        if ran.status != 0:
            last = (ran.errors.strip().splitlines() or ["it said nothing"])[-1]
            print(ran.errors[-2000:], file=sys.stderr)
            raise NotMeasured(f"{script} ended with {ran.status}: {last[:200]}")
        return json.loads(ran.out.splitlines()[-1])

    def note(self, program, options, folder=ROOT):
        """A command as a reader would type it, with PROJECT for a temporary folder."""
        command = " ".join([program, *map(str, options)]).replace(f"{ROOT}/", "")
        command = re.sub(re.escape(tempfile.gettempdir()) + r"/\w+", "PROJECT", command)
        if folder != ROOT:
            command = f"(cd PROJECT && {command})"
        if command not in self.record["commands"]:
            self.record["commands"].append(command)


def is_same(old, new):
    """The same program on the same machine; a package that came or went since has no part in older figures."""
    versions = old["versions"].keys() & new["versions"].keys()
    return all(old[key] == new[key] for key in new if key != "versions") and all(
        old["versions"][name] == new["versions"][name] for name in versions
    )
