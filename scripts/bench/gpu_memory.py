"""Memory in use on a GPU while something runs, by nvidia-smi or by what the kernel says of AMD's cards."""

import os
import pathlib
import shutil
import subprocess
import threading


def number(device):
    """Of `cuda:1` the 1; `None` of the CPU."""
    kind, _, number = device.partition(":")
    return None if kind == "cpu" else int(number) if number.isdigit() else 0


def card(device):
    """What nvidia-smi calls a device: CUDA counts those that CUDA_VISIBLE_DEVICES lists, which may be named by UUID."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not device.startswith("cuda") or visible is None:
        return number(device)
    listed = visible.split(",")
    return listed[number(device)].strip() or None if number(device) < len(listed) else None


def nvidia(device, what):
    """What nvidia-smi says of the card of a device; `None` without it."""
    found = card(device)
    if found is None or shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader", "-i", str(found)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or None if done.returncode == 0 else None


def used_mib(device):
    """Of the whole card, whoever uses it; `None` where nobody says."""
    found = nvidia(device, "memory.used")
    if found:
        # "[N/A]" where a card is divided.
        amount = found.split()[0]
        return int(amount) if amount.isdigit() else None
    cards = sorted(pathlib.Path("/sys/class/drm").glob("card*/device/mem_info_vram_used"))
    at = number(device)
    return int(cards[at].read_text()) // 2**20 if at is not None and at < len(cards) else None


class MemoryWatch:
    """Samples while its block runs; `peak` is in MiB, or `None`."""

    def __init__(self, device):
        self.device, self.peak, self.over = device, None, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while True:
            used = used_mib(self.device)
            if used is None:
                return
            self.peak = max(self.peak or 0, used)
            if self.over.wait(0.2):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
