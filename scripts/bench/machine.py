"""What figures are figures of: the commit, the machine and the versions."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess

from turns import ROOT, Ran

PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers", "pyarrow", "numpy")
CRATES = ("burn", "tokenizers", "arrow", "mimalloc")
# What the program and its measurement are made of, and what is measured on: a change of a page leaves figures as they are.
PROGRAM = ("crates", "Cargo.toml", "Cargo.lock", "scripts/bench", "recipes", "data-manifests", "checkpoints")


def here(temper):
    device = Ran([temper, "bench", "checkpoints/nano/pretrained", "--rows", "1", "--sequence-length", "8",
                  "--steps", "1", "--json"], ROOT)
    if device.status != 0:
        raise SystemExit(f"{temper}: {device.errors}")
    measured = json.loads(device.out)
    return {
        "commit": commit(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": system(),
        "device": measured["device"],
        "temper": measured["version"],
        "versions": versions(),
    }


def commit():
    """The last one that changed the program or its measurement, and a digest of what is not committed of them."""
    try:
        last = git("log", "-1", "--format=%h", "--abbrev=12", "--", *PROGRAM).strip().decode()
        changes = git("diff", "HEAD", "--binary", "--", *PROGRAM)
        added = git("ls-files", "-z", "--others", "--exclude-standard", "--", *PROGRAM)
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not a checkout of git"
    named = f"{last}, the last that changed the program or what it is measured on"
    if not changes and not added:
        return named
    digest = hashlib.sha256(changes + added)
    for name in filter(None, added.decode().split("\0")):
        digest.update((ROOT / name).read_bytes())
    return f"{named}, with uncommitted changes ({digest.hexdigest()[:12]})"


def git(*options):
    return subprocess.run(["git", *options], cwd=ROOT, capture_output=True, check=True).stdout


def processor():
    """The name alone is the same for many: "AMD EPYC"."""
    try:
        with open("/proc/cpuinfo") as file:
            fields = dict(re.findall(r"(?m)^(.*?)\s*: (.*)$", file.read().split("\n\n")[0]))
    except OSError:
        return platform.processor()
    numbers = [f"{name} {fields[key]}" for name, key in
               (("family", "cpu family"), ("model", "model"), ("stepping", "stepping")) if key in fields]
    return ", ".join([fields.get("model name", platform.machine()), *numbers])


def system():
    release = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {release}"
    except (AttributeError, OSError, KeyError):
        return release


def versions():
    found = {}
    if shutil.which("rustc"):
        found["rustc"] = subprocess.run(["rustc", "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    lock = (ROOT / "Cargo.lock").read_text()
    for crate in CRATES:
        of = re.search(rf'name = "{crate}"\nversion = "(.*?)"', lock)
        if of:
            found[f"crate {crate}"] = of[1]
    found["Python"] = platform.python_version()
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found
