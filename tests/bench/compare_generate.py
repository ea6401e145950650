"""Greedy text of the local engine beside transformers' own, on the same loaded weights, on the CPU in fp32.

    python tests/bench/compare_generate.py --model=FOLDER --run=reports/NAME --max-tokens=32

The prompts are those of an earlier run (its questions.jsonl). Three ways: our engine with all prompts
at once; ``model.generate`` of each prompt alone, which is the truth here; ``model.generate_batch``,
which is transformers' continuous batching. Where a text differs, the lead of the most likely token
over the second, in the logits of the single prompt at the first different token, tells a numerical
tie from a mistake.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from compare_lm_eval import turns

from pytest_llmeval.core.types import ChatPrompt, Message, Request
from tests.support.tiny_models import Local

T = TypeVar("T")
Tokens = list[int]


def main() -> None:
    """Ask in every way, and print times and differences."""
    options = _options()
    prompts = _prompts(options.run / "questions.jsonl")[: options.limit]
    local = Local(options.model, dtype="float32", device="cpu")
    model, tokenizer = local.loaded.model, local.loaded.tokenizer
    encoded = [_encode(tokenizer, prompt) for prompt in prompts]
    print(f"{len(prompts)} prompts of {sum(map(len, encoded)) / len(encoded):.0f} tokens", flush=True)

    requests = [Request(prompt, max_tokens=options.max_tokens) for prompt in prompts]
    ours = _timed("ours", lambda: [one.text for one in local.ask(requests)])
    model.set_attn_implementation("sdpa")
    single = _timed("generate, one by one", lambda: [_generate(model, one, options) for one in encoded])
    texts = [tokenizer.decode(one, skip_special_tokens=True) for one in single]
    _compare("ours", ours, texts, single, encoded, model)
    if options.batch:
        batched = _timed("generate_batch", lambda: _generate_batch(model, encoded, options))
        decoded = [tokenizer.decode(one, skip_special_tokens=True) for one in batched]
        _compare("generate_batch", decoded, texts, single, encoded, model)


def _prompts(path: Path) -> list[ChatPrompt]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [ChatPrompt(tuple(Message(**turn) for turn in turns(row["prompt"]))) for row in rows]


def _encode(tokenizer: Any, prompt: ChatPrompt) -> Tokens:
    messages = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
    ids: Tokens = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return ids


def _timed(name: str, work: Callable[[], T]) -> T:
    started, cpu = time.perf_counter(), time.process_time()
    found = work()
    print(f"{name}: {time.perf_counter() - started:.1f} s, CPU {time.process_time() - cpu:.1f} s", flush=True)
    return found


@torch.inference_mode()
def _generate(model: Any, prompt: Tokens, options: argparse.Namespace) -> Tokens:
    ids = torch.tensor([prompt])
    written = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=options.max_tokens
    )
    tokens: Tokens = written[0, len(prompt) :].tolist()
    return tokens


def _generate_batch(model: Any, prompts: Sequence[Tokens], options: argparse.Namespace) -> list[Tokens]:
    from transformers import GenerationConfig

    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=options.max_tokens,
        eos_token_id=model.generation_config.eos_token_id,
        pad_token_id=model.generation_config.pad_token_id,
    )
    found = model.generate_batch(inputs=list(prompts), generation_config=config)
    by_prompt = {tuple(one.prompt_ids): one.generated_tokens for one in found.values()}
    return [by_prompt.get(tuple(prompt), []) for prompt in prompts]


@torch.inference_mode()
def _compare(
    name: str,
    texts: Sequence[str],
    wanted: Sequence[str],
    tokens: Sequence[Tokens],
    prompts: Sequence[Tokens],
    model: Any,
) -> None:
    differ = [number for number, text in enumerate(texts) if text != wanted[number]]
    print(f"{name}: {len(texts) - len(differ)} of {len(texts)} as one by one")
    for number in differ:
        logits = model(torch.tensor([prompts[number] + tokens[number]])).logits[0].float()
        leads = logits[len(prompts[number]) - 1 : -1].topk(2).values
        lead = (leads[:, 0] - leads[:, 1]).min().item()
        print(f"  {number}: smallest lead {lead:.2e}; {texts[number]!r} for {wanted[number]!r}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="a folder with weights")
    parser.add_argument("--run", type=Path, required=True, help="the folder of an earlier run")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--limit", type=int, help="the first so many prompts")
    parser.add_argument("--batch", action="store_true", help="generate_batch too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
