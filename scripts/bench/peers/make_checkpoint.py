"""A folder of Hugging Face's with the 50M shape of `temper bench` and random weights; one line of JSON.

usage: make_checkpoint.py FOLDER
"""

import json
import sys

import torch
import transformers

folder = sys.argv[1]
# Heads, special ids and vocabulary of nano's tokenizer lie within it.
config = transformers.LlamaConfig(
    vocab_size=32000, hidden_size=512, intermediate_size=1408, num_hidden_layers=6, num_attention_heads=8,
    num_key_value_heads=4, head_dim=64, max_position_embeddings=2048, bos_token_id=0, eos_token_id=1, pad_token_id=2,
)
torch.manual_seed(0)
transformers.LlamaForCausalLM(config).save_pretrained(folder)
print(json.dumps({"folder": folder}))
