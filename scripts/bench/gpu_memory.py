"""Memory in use on a GPU while something runs, by nvidia-smi or by what the kernel says of AMD's cards."""

import pathlib
import shutil
import subprocess
import threading


def nvidia(number, what):
    """What nvidia-smi says of a card; `None` without it."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader", "-i", str(number)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or None if done.returncode == 0 else None


def used_mib(number):
    """Of the whole card, whoever uses it; `None` where nobody says."""
    found = nvidia(number, "memory.used")
    if found:
        # "[N/A]" where a card is divided.
        amount = found.split()[0]
        return int(amount) if amount.isdigit() else None
    cards = sorted(pathlib.Path("/sys/class/drm").glob("card*/device/mem_info_vram_used"))
    return int(cards[number].read_text()) // 2**20 if number < len(cards) else None


class MemoryWatch:
    """Samples while its block runs; `peak` is in MiB, or `None`."""

    def __init__(self, number):
        self.number, self.peak, self.over = number, None, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while True:
            used = used_mib(self.number)
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
