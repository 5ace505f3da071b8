"""Train and generate with PyTorch and transformers on a shape of `temper bench`; one line of JSON.

The peer of `scripts/bench.sh` and `scripts/gpu-bench.sh`: SDPA, fused AdamW, clipping by the global
norm, bfloat16 under autocast with 32-bit weights; generation in 32 bits, as temper's.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import transformers

SHAPES = {  # vocabulary, hidden, feed-forward, layers, heads, key heads, head width, tied
    "16M": (8192, 384, 1024, 6, 6, 2, 64, False),
    "50M": (32000, 512, 1408, 6, 8, 4, 64, False),
    "135M": (49152, 576, 1536, 30, 9, 3, 64, True),
    "360M": (49152, 960, 2560, 32, 15, 5, 64, True),
    "1.2B": (128256, 2048, 8192, 16, 32, 8, 64, True),
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("shape", choices=SHAPES)
parser.add_argument("--rows", type=int, default=4)
parser.add_argument("--length", type=int, default=256)
parser.add_argument("--steps", type=int, default=8)
parser.add_argument("--bf16", action="store_true")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--checkpointing", action="store_true")
parser.add_argument("--generate", type=int, default=0)
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--device", default="cpu")
arguments = parser.parse_args()

vocab, hidden, mlp, layers, heads, kv_heads, head_dim, tied = SHAPES[arguments.shape]
config = transformers.LlamaConfig(
    vocab_size=vocab, hidden_size=hidden, intermediate_size=mlp, num_hidden_layers=layers,
    num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim,
    tie_word_embeddings=tied, max_position_embeddings=1 << 17, attn_implementation="sdpa",
)
torch.manual_seed(0)
device = arguments.device
model = transformers.LlamaForCausalLM(config).to(device).train()
if arguments.checkpointing:
    model.gradient_checkpointing_enable()
optimizer = torch.optim.AdamW(
    model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True
)
forward = torch.compile(model) if arguments.compile else model


def synchronize():
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def step(ids):
    with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=arguments.bf16):
        logits = forward(ids[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(
        logits.float().view(-1, vocab), ids[:, 1:].reshape(-1)
    )
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


# The first steps are slower, the first of all where it compiles; where a step takes many seconds (bfloat16 without instructions for it), few tell.
WARM_UP, LONGEST = 2, 30.0
seconds = []
while len(seconds) < arguments.steps + WARM_UP and (len(seconds) < 2 or sum(seconds[1:]) < LONGEST):
    ids = torch.randint(0, vocab, (arguments.rows, arguments.length + 1), device=device)
    synchronize()
    started = time.perf_counter()
    step(ids)
    synchronize()
    seconds.append(time.perf_counter() - started)
tokens = arguments.rows * arguments.length
result = {
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "rows": arguments.rows,
    "length": arguments.length,
    "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
    "threads": torch.get_num_threads(),
    "parameters": sum(p.numel() for p in model.parameters()),
    "train_tokens_per_second": tokens / statistics.median(seconds[min(WARM_UP, len(seconds) - 1):]),
    "peak_host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "peak_device_bytes": torch.cuda.max_memory_allocated() if device.startswith("cuda") else None,
}
if arguments.generate:
    model.eval()
    ids = torch.arange(1, 33, device=device).repeat(arguments.batch, 1)
    keep = dict(max_new_tokens=arguments.generate, min_new_tokens=arguments.generate,
                do_sample=False, pad_token_id=0)
    with torch.inference_mode():
        model.generate(ids, **keep)
        synchronize()
        started = time.perf_counter()
        model.generate(ids, **keep)
        synchronize()
    spent = time.perf_counter() - started
    result["generate_tokens_per_second"] = arguments.batch * arguments.generate / spent
print(json.dumps(result))
