"""Local weights: tiny random models, compared with transformers running one prompt at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.types import Request, TextPrompt
from pytest_llmeval.models.base import Job, Jobs
from pytest_llmeval.models.hf.backend import HuggingFaceModel
from tests.support.tiny_models import WORDS, Local, chat, save_tiny

BOTH = pytest.mark.parametrize("shared", [True, False], ids=["shared", "plain"])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    return folder


def generate_alone(folder: Path, request: Request) -> tuple[str, int, list[int]]:
    """Greedy text of transformers for one prompt, the prompt's number of tokens, and the text's tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": turn.role, "content": turn.content} for turn in request.prompt.messages]
    text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    out = model.generate(
        ids,
        max_new_tokens=request.max_tokens,
        do_sample=False,
        eos_token_id=[1, 2],
        pad_token_id=1,
        attention_mask=torch.ones_like(ids),
    )
    written = out[0, ids.shape[1] :].tolist()
    return tokenizer.decode(written, skip_special_tokens=True), ids.shape[1], written


@BOTH
def test_greedy_text_in_batches_equals_that_of_single_prompts(tiny: Path, shared: bool) -> None:
    requests = [chat(" ".join(WORDS[: 1 + 2 * n]), shots=n % 3, max_tokens=12) for n in range(8)]
    completions = Local(tiny, shared=shared).ask(requests)
    for request, completion in zip(requests, completions, strict=True):
        text, length, _ = generate_alone(tiny, request)
        assert completion.error is None
        assert (completion.text, completion.prompt_tokens) == (text, length)
    assert len({completion.text for completion in completions}) > 4


@BOTH
def test_generation_settings_of_the_checkpoint_are_ignored(tiny: Path, tmp_path: Path, shared: bool) -> None:
    save_tiny(tmp_path)
    (tmp_path / "generation_config.json").write_text(
        json.dumps({"do_sample": True, "top_k": 3, "repetition_penalty": 3.0, "eos_token_id": [1, 2]})
    )
    requests = [chat("the cat", max_tokens=20), chat("far away", max_tokens=20)]
    assert [c.text for c in Local(tmp_path, shared=shared).ask(requests)] == [
        c.text for c in Local(tiny, shared=shared).ask(requests)
    ]


@BOTH
def test_each_request_of_a_batch_has_its_own_token_limit(tiny: Path, shared: bool) -> None:
    long, short = Local(tiny, shared=shared).ask(
        [chat("the mat", max_tokens=10), chat("the mat", max_tokens=3)]
    )
    assert (long.completion_tokens, short.completion_tokens) == (10, 3)
    assert long.text.startswith(short.text)
    assert short.finish_reason == "length"


def lm_eval_scores(folder: Path, context: str, choices: Sequence[str]) -> list[float]:
    """Each choice in its own forward pass, encoded like ``_encode_pair`` of lm-evaluation-harness 0.4.13."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = []
    for choice in choices:
        spaces = len(context) - len(context.rstrip())
        tail, head = (context[-spaces:] + choice, context[:-spaces]) if spaces else (choice, context)
        whole, start = tokenizer.encode(head + tail), len(tokenizer.encode(head))
        logits = model(torch.tensor([whole[:-1]])).logits[0].log_softmax(-1).detach()
        scores.append(sum(float(logits[place - 1, whole[place]]) for place in range(start, len(whole))))
    return scores


@BOTH
@pytest.mark.parametrize("bos", [False, True])
def test_scores_equal_those_of_single_forward_passes(tmp_path: Path, bos: bool, shared: bool) -> None:
    save_tiny(tmp_path, bos=bos)
    choices = {"A": " cat", "B": " dog ran far", "C": "!?", "D": " red blue"}
    contexts = ["the", "the cat sat on a mat and", "one two three ", "dog\n\n"]
    completions = Local(tmp_path, shared=shared).ask(
        [Request(TextPrompt(text), choices=choices) for text in contexts]
    )
    for context, completion in zip(contexts, completions, strict=True):
        expected = lm_eval_scores(tmp_path, context, list(choices.values()))
        assert list(completion.scores.values()) == pytest.approx(expected, abs=1e-3)
        assert completion.finish_reason == "scored"


@BOTH
def test_a_temperature_above_zero_samples(tiny: Path, shared: bool) -> None:
    requests = [chat("the cat", max_tokens=12, temperature=2.0) for _ in range(6)]
    assert len({completion.text for completion in Local(tiny, shared=shared).ask(requests)}) > 1


@BOTH
def test_a_text_ends_at_an_end_token_or_a_stop_string(tiny: Path, tmp_path: Path, shared: bool) -> None:
    free = Local(tiny, shared=shared).ask([chat("dog", max_tokens=12)])[0]
    part = free.text[2:5]
    stopped = Local(tiny, shared=shared).ask([chat("dog", max_tokens=12, stop=(part,))])[0]
    assert stopped.text == free.text[: free.text.index(part)]
    assert stopped.finish_reason == "stop"
    save_tiny(tmp_path)
    _, _, tokens = generate_alone(tiny, chat("dog", max_tokens=12))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, tokens[4]]}))
    ended = Local(tmp_path, shared=shared).ask([chat("dog", max_tokens=12)])[0]
    assert (ended.finish_reason, ended.completion_tokens) == ("stop", tokens.index(tokens[4]) + 1)
    assert free.text.startswith(ended.text)


@BOTH
def test_a_request_that_does_not_fit_the_context_fails_alone(tiny: Path, shared: bool) -> None:
    requests = [chat("cat", max_tokens=3), chat("xyz " * 600, max_tokens=3), chat("dog", max_tokens=3)]
    first, long, last = Local(tiny, shared=shared).ask(requests)
    assert (first.error, last.error) == (None, None)
    assert long.error is not None and "more than the model's context of 512" in long.error


def run(model: HuggingFaceModel, requests: Sequence[Request]) -> list[Job]:
    """Run the backend on a thread, as the engine does, with jobs that arrive in two parts."""
    jobs, waiting = Jobs(), [Job(request) for request in requests]
    thread = threading.Thread(target=model.run, args=(jobs,))
    thread.start()
    jobs.put(waiting[:2])
    waiting[0].future.result(60)
    jobs.put(waiting[2:])
    for job in waiting:
        job.future.result(60)
    jobs.close()
    thread.join(60)
    assert not thread.is_alive()
    return waiting


def test_jobs_are_answered_as_they_arrive(tiny: Path) -> None:
    model = HuggingFaceModel(ModelConfig("tiny", "hf", str(tiny)))
    requests = [chat(word, shots=4, max_tokens=3) for word in WORDS]
    completions = [job.future.result() for job in run(model, requests)]
    expected = Local(tiny).ask(requests)
    assert [completion.text for completion in completions] == [completion.text for completion in expected]
    assert model.notes == ()
    assert all(c.batch_s is not None and 0 < c.latency_s <= c.batch_s for c in completions)
    assert sum(completion.shared_tokens or 0 for completion in completions) > len(requests) * 50


def test_a_model_that_cannot_share_prefixes_leaves_a_note(tmp_path: Path) -> None:
    save_tiny(tmp_path, "mamba")
    model = HuggingFaceModel(ModelConfig("snake", "hf", str(tmp_path)))
    jobs = run(model, [Request(TextPrompt("the cat"), choices={"A": " a", "B": " b"})] * 3)
    assert all(set(job.future.result().scores) == {"A", "B"} for job in jobs)
    assert len(model.notes) == 1
    assert model.notes[0].startswith("snake: prefixes are not shared, each prompt is computed in full: Mamba")
