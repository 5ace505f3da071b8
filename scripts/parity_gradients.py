"""Gradients of the mean next-token loss of a checkpoint folder by torch autograd, the parity reference.

Writes JSON: the loss, and for each tensor the sum and the Euclidean norm of its gradient, and all
values for the tensors named with --full.
"""
import argparse, json, platform, torch, transformers

p = argparse.ArgumentParser(description=__doc__)
p.add_argument("dir")
p.add_argument("--ids", required=True, help="comma-separated token ids")
p.add_argument("--full", action="append", default=[], help="a tensor whose whole gradient is written")
a = p.parse_args()
ids = torch.tensor([[int(i) for i in a.ids.split(",")]])
m = transformers.AutoModelForCausalLM.from_pretrained(a.dir, dtype=torch.float32)
z = m(ids[:, :-1]).logits[0]
loss = torch.nn.functional.cross_entropy(z, ids[0, 1:])
loss.backward()
short = lambda x: float(f"{x:.9g}")
tensors = {}
for name, t in m.named_parameters():
    g = t.grad.double()
    tensors[name] = {"sum": short(g.sum().item()), "norm": short(g.norm().item())}
    if name in a.full:
        tensors[name]["values"] = [short(x) for x in g.flatten().tolist()]
print(json.dumps({
    "provenance": {
        "implementation": "transformers LlamaForCausalLM, torch autograd",
        "torch": torch.__version__, "transformers": transformers.__version__, "python": platform.python_version(),
        "dtype": "float32", "linear_weight_layout": "out_in",
        "command": "scripts/parity_gradients.py <this folder> --ids " + a.ids + "".join(" --full " + n for n in a.full),
    },
    "ids": ids[0].tolist(), "loss": short(loss.item()), "gradients": tensors,
}))
