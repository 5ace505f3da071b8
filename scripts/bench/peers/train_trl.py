"""Seconds per step and peak memory of LoRA, DPO and GRPO with TRL; one line of JSON.

usage: train_trl.py FOLDER lora|dpo|grpo STEPS

The folder has a checkpoint in model/ and the rows in rows.jsonl.
"""

import json
import os
import resource
import statistics
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback  # noqa: E402

folder, stage, n_steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
BATCH, LENGTH, WARM_UP = 4, 256, 2

tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/model/tokenizer.json", eos_token="<|eos|>", pad_token="<|pad|>")
model = AutoModelForCausalLM.from_pretrained(f"{folder}/model", dtype=torch.float32)
with open(f"{folder}/rows.jsonl") as file:
    rows = [json.loads(line) for line in file]
rows = Dataset.from_dict({key: [row[key] for row in rows] for key in rows[0] if key != "answer"})
seconds = []


class Clock(TrainerCallback):
    def on_step_begin(self, *_, **__):
        self.started = time.perf_counter()

    def on_step_end(self, *_, **__):
        seconds.append(time.perf_counter() - self.started)


common = dict(output_dir=f"{folder}/trl", per_device_train_batch_size=BATCH, max_steps=n_steps, report_to=[], use_cpu=True,
              save_strategy="no", logging_steps=1000, bf16=False, gradient_checkpointing=False)
known = dict(train_dataset=rows, processing_class=tokenizer, callbacks=[Clock()])
if stage == "lora":
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")
    trainer = SFTTrainer(model, SFTConfig(max_length=LENGTH, **common), peft_config=lora, **known)
elif stage == "dpo":
    from trl import DPOConfig, DPOTrainer

    trainer = DPOTrainer(model, None, DPOConfig(max_length=LENGTH, **common), **known)
else:
    from trl import GRPOConfig, GRPOTrainer

    options = GRPOConfig(num_generations=4, max_completion_length=64, beta=0.04, temperature=1.0, **common)
    trainer = GRPOTrainer(model, reward_funcs=lambda completions, **_: [float(len(text) % 7) for text in completions],
                          args=options, **known)
trainer.train()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": statistics.median(seconds[WARM_UP:]), "peak": peak}))
