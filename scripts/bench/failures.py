"""Why a run on a GPU failed, from what it wrote to stderr."""

import signal

# CUDA's, Vulkan's, wgpu's, PyTorch's and temper's.
OUT_OF_MEMORY = (
    "outofmemory", "out_of_memory", "out of memory", "out-of-memory", "out of device memory", "can't allocate buffer",
    "buffertoobig", "memory exhausted", "no memory left", "alloc_failed",
)


def lacks_memory(errors, status):
    """The line that names the failure need not be the one that names the memory; the kernel kills without a word."""
    errors = errors.lower()
    return status == -signal.SIGKILL or any(words in errors for words in OUT_OF_MEMORY)


def reason(errors, status):
    """temper's `error:`, the message of a panic, or the last line, which is PyTorch's; notes and hints say nothing."""
    lines = [line.strip() for line in errors.splitlines() if line.strip() and not line.startswith("note:")]
    panics = [after for line, after in zip(lines, lines[1:]) if "panicked at" in line]
    named = [line for line in lines if line.startswith("error: ")]
    # A panic in one thread makes others panic, so that the first says why.
    found = named[:1] or panics[:1] or lines[-1:] or [f"ended with {status}"]
    return found[0][:400]
