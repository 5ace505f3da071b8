#!/usr/bin/env python3
"""Proves that llama.cpp's converter takes an exported checkpoint, and that every tensor arrives in the GGUF file.

usage, from the top of the repository, with torch, transformers and gguf installed and temper built:
    pip download --no-deps --no-binary :all: llama-cpp-python    # its source carries the converter; unpack it
    python3 scripts/prove_gguf.py LLAMA_CPP [CHECKPOINT] [--temper target/release/temper]

LLAMA_CPP is the folder with convert_hf_to_gguf.py. The converter knows pre-tokenizers by a table of hashes; one that is
not in it, such as that of the nano checkpoint, is taken for GPT-2's, which changes no tensor. Exits with 1 on a breach.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import load_file

# Runs the converter as its own program would.
CONVERT = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
sys.path.insert(1, sys.argv[1] + "/gguf-py")
from conversion.base import TextModel
known = TextModel.get_vocab_base_pre
def name(self, tokenizer):
    try:
        return known(self, tokenizer)
    except NotImplementedError:
        return "gpt-2"
TextModel.get_vocab_base_pre = name
sys.argv = ["convert_hf_to_gguf.py", sys.argv[2], "--outfile", sys.argv[3], "--outtype", "f32"]
runpy.run_path(sys.path[0] + "/convert_hf_to_gguf.py", run_name="__main__")
"""


def permuted(matrix: numpy.ndarray, n_heads: int) -> numpy.ndarray:
    """Rows of queries and keys as llama.cpp turns them: pairs next to each other instead of half a head apart."""
    half = matrix.shape[0] // n_heads // 2
    return matrix.reshape(n_heads, 2, half, -1).swapaxes(1, 2).reshape(matrix.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("llama_cpp")
    parser.add_argument("checkpoint", nargs="?", default="checkpoints/nano/pretrained")
    parser.add_argument("--temper", default="target/release/temper")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, file = f"{scratch}/exported", f"{scratch}/exported.gguf"
        convert = [arguments.temper, "checkpoint", "convert", arguments.checkpoint, folder, "--dtype", "f32"]
        subprocess.run(convert, check=True, capture_output=True)
        done = subprocess.run(
            [sys.executable, "-c", CONVERT, arguments.llama_cpp, folder, file], capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"the converter refuses {arguments.checkpoint}:\n{done.stderr[-2000:]}")

        sys.path.insert(0, f"{arguments.llama_cpp}/gguf-py")
        import gguf

        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
        read = {tensor.name: tensor.data for tensor in gguf.GGUFReader(file).tensors}
        stored = load_file(f"{folder}/model.safetensors")
        heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
        apart = []
        for name, values in stored.items():
            n_heads = next((n for part, n in heads.items() if part in name), None)
            expected = permuted(values, n_heads) if n_heads else values
            found = read.pop(names.get_name(name, try_suffixes=(".weight",)), None)
            if found is None or found.shape != expected.shape or not numpy.array_equal(found, expected):
                apart.append(name)
        # A table of frequencies is llama.cpp's own.
        left = [name for name in read if not name.startswith("rope_freqs")]
        print(f"{len(stored) - len(apart)} of {len(stored)} tensors are equal bit for bit; only in the GGUF file: {left}")
        sys.exit(1 if apart or left else 0)


if __name__ == "__main__":
    main()
