"""What transformers makes of conversations under the chat templates in tests/fixtures/chat.

    python scripts/chat_fixtures.py checkpoints/nano/pretrained tests/fixtures/chat

For every `<family>.jinja` there it writes `<family>.json`: text, ids and masks of each conversation,
with the markers of the template added to the tokenizer as special tokens. The templates have the
shape of public families and were written for these tests. Needs transformers; see
requirements.txt for the version.
"""

import hashlib
import json
import platform
import sys
from datetime import datetime
from pathlib import Path

import jinja2
import tokenizers
import transformers
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

NOW = datetime(2024, 7, 26, 9, 5, 0)

FAMILIES = {
    "chatml": ["<|im_start|>", "<|im_end|>"],
    "chatml_marked": ["<|im_start|>", "<|im_end|>"],
    "llama3_tools": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "mistral_tools": ["[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]",
                      "[TOOL_RESULTS]", "[/TOOL_RESULTS]"],
    "qwen3": ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>"],
    "gemma": ["<start_of_turn>", "<end_of_turn>"],
    "phi": ["<|tool|>", "<|/tool|>"],
    "zephyr": [],
    "olmo": [],
    "grounded": [],
}


class FrozenClock(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def said(role, content, **more):
    return {"role": role, "content": content, **more}


WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather of a place,\nby hour & \"day\" <now>.",
    "parameters": {"type": "object", "properties": {
        "place": {"type": "string", "description": "Città, z. B. Zürich 😀"},
        "hours": {"type": "array", "items": {"type": "integer"}},
        "unit": {"enum": ["K", "°C"]}, "accuracy": {"type": "number", "default": 1e-05}},
        "required": ["place"]}}}
CLOCK = {"type": "function", "function": {
    "name": "clock", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call00001", "type": "function", "function": {
    "name": "weather", "arguments": {"place": "Zürich", "hours": [9, 12], "exact": True, "unit": None, "at": 2.50}}}
SECOND = {"id": "call00002", "type": "function", "function": {"name": "clock", "arguments": {}}}

USER = said("user", "What melts at 351 K?")
ANSWER = said("assistant", "Nothing here; ethanol boils there.")
THOUGHT = said("assistant", "Salt.", reasoning_content="Sodium, then\n\nchlorine.")

CONVERSATIONS = {
    "hello": {"messages": [USER, ANSWER]},
    "prompt": {"messages": [USER]},
    "turns": {"messages": [said("system", "Be brief."), USER, ANSWER, said("user", "And 水 at 273.15 K? 😀"),
                           said("assistant", "It's 水 — «très» simple.\n\tMelts.")]},
    "empty": {"messages": [said("user", ""), said("assistant", "")]},
    "white space": {"messages": [said("user", "\n\n  two  \n"), said("assistant", "\n\nlines\n \n")]},
    "markers": {"messages": [said("user", "say <|end|> and <|im_end|><eos> [INST]"), said("assistant", "<|end|>")]},
    "parts": {"messages": [said("user", [{"type": "text", "text": " What is "}, {"type": "image"},
                                         {"type": "text", "text": "this?\n"}]), ANSWER]},
    "tools": {"messages": [USER], "tools": [WEATHER, CLOCK]},
    "no tools": {"messages": [USER], "tools": []},
    "call": {"messages": [said("system", "Use tools."), USER, {"role": "assistant", "tool_calls": [CALL]},
                          said("tool", "21.5 °C", tool_call_id="call00001", name="weather"), ANSWER],
             "tools": [WEATHER]},
    "two calls": {"messages": [USER, said("assistant", "Both.", tool_calls=[CALL, SECOND]),
                               said("tool", "21.5", tool_call_id="call00001"),
                               said("tool", "{\"hour\": 9}", tool_call_id="call00002"), ANSWER,
                               said("user", "Thanks."), said("assistant", "Any time.")],
                  "tools": [WEATHER, CLOCK]},
    "thinking": {"messages": [USER, THOUGHT]},
    "thought before": {"messages": [USER, THOUGHT, said("user", "Sure?"),
                                    said("assistant", "<think>\nYes.\n</think>\n\nYes.")]},
    "null keys": {"messages": [said("user", "Hi", name=None), said("assistant", None, tool_calls=None, thinking="Hm.")]},
    "two in a row": {"messages": [USER, said("user", "Hello?"), ANSWER, said("assistant", "More.")]},
    "documents": {"messages": [USER, ANSWER], "documents": [
        {"title": "Ethanol", "text": " boils "}, {"text": "Salt's\n", "score": 0.5, "tags": ["a", None, "it's"]}]},
}

OPTIONS = [{}, {"add_generation_prompt": True}]
MORE_OPTIONS = {
    "qwen3": [{"add_generation_prompt": True, "variables": {"enable_thinking": False}}],
    "llama3_tools": [{"variables": {"date_string": "1 May 2025", "tools_in_user_message": False}}],
}


def render(tokenizer, template, conversation, options, messages=None, **more):
    given = {**options.get("variables", {}), **{k: v for k, v in options.items() if k != "variables"}, **more}
    return tokenizer.apply_chat_template(
        conversation["messages"] if messages is None else messages, tools=conversation.get("tools"),
        documents=conversation.get("documents"), chat_template=template, **given)


def bits(mask):
    return "".join(map(str, mask))


def difference_mask(tokenizer, template, conversation, options, text, last_only):
    """The mask by prefix difference, nothing when a rendering is no prefix of the whole."""
    messages, spans = conversation["messages"], []
    turns = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    for turn in turns[-1:] if last_only else turns:
        closed = {**options, "tokenize": False}
        try:
            before = render(tokenizer, template, conversation, {**closed, "add_generation_prompt": True}, messages[:turn])
            until = render(tokenizer, template, conversation, {**closed, "add_generation_prompt": False}, messages[:turn + 1])
        except (jinja2.exceptions.TemplateError, ValueError):
            return None
        if not (text.startswith(before) and text.startswith(until) and len(before) <= len(until)):
            return None
        spans.append((len(before), len(until)))
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return bits(int(any(start < b and end > a and a < b for a, b in spans)) for start, end in encoding["offset_mapping"])


def case(tokenizer, template, conversation, options):
    found = {"options": options} if options else {}
    try:
        text = render(tokenizer, template, conversation, options, tokenize=False)
    except jinja2.exceptions.TemplateError as error:
        if type(error) is jinja2.exceptions.TemplateError:
            return {**found, "raises": error.message}
        return {**found, "fails": type(error).__name__}
    except TypeError as error:
        return {**found, "fails": type(error).__name__}
    marked = "endgeneration" in template
    out = render(tokenizer, template, conversation, options, return_assistant_tokens_mask=marked, return_dict=True)
    found |= {"text": text, "ids": out["input_ids"]}
    if marked:
        found["marked"] = bits(out["assistant_masks"])
    else:
        found["every"] = difference_mask(tokenizer, template, conversation, options, text, False)
        found["last"] = difference_mask(tokenizer, template, conversation, options, text, True)
    return found


def open_case(tokenizer, template, conversation):
    try:
        text = render(tokenizer, template, conversation, {}, tokenize=False, continue_final_message=True)
    except (jinja2.exceptions.TemplateError, ValueError, TypeError):
        return None
    return {"options": {"continue_final_message": True}, "text": text}


def grown(checkpoint, markers):
    """The ids that the tokenizers library gives to the markers, and the digest of what it writes then."""
    tokenizer = tokenizers.Tokenizer.from_file(f"{checkpoint}/tokenizer.json")
    tokenizer.add_special_tokens(markers)
    text = tokenizer.to_str(pretty=True) + "\n"
    return {"added_tokens": {token: tokenizer.token_to_id(token) for token in markers},
            "tokenizer_json_sha256": hashlib.sha256(text.encode()).hexdigest()}


def main(checkpoint, folder):
    chat_template_utils.datetime = FrozenClock
    for family, markers in FAMILIES.items():
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        tokenizer.add_special_tokens({"extra_special_tokens": markers}, replace_extra_special_tokens=False)
        template = (folder / f"{family}.jinja").read_text()
        cases = []
        for name, conversation in CONVERSATIONS.items():
            for options in OPTIONS + MORE_OPTIONS.get(family, []):
                cases.append({"conversation": name, **case(tokenizer, template, conversation, options)})
            if opened := open_case(tokenizer, template, conversation):
                cases.append({"conversation": name, **opened})
        fixture = {**grown(checkpoint, markers), "cases": cases}
        write(folder / f"{family}.json", fixture)
    write(folder / "conversations.json", CONVERSATIONS)
    write(folder / "provenance.json", {
        "script": "scripts/chat_fixtures.py", "checkpoint": str(checkpoint), "now": NOW.isoformat(),
        "python": platform.python_version(), "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__, "jinja2": jinja2.__version__})


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
