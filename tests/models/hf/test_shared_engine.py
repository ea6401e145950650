"""Shared prefixes do not change answers, whatever the architecture, batch and order."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.core.types import Request, TextPrompt
from tests.support.tiny_models import ARCHITECTURES, SHARING, WORDS, Local, chat, save_tiny

pytestmark = pytest.mark.slow  # the shared engine beside transformers, with ten architectures

CHOICES = {"A": " cat", "B": " dog ran far", "C": " dog sat", "D": "!?"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for name in ARCHITECTURES:
        folders[name] = tmp_path_factory.mktemp(name)
        save_tiny(folders[name], name)
    return folders


def scored_requests() -> list[Request]:
    """Questions of two subjects; those of a subject share its description and shots."""
    requests = []
    for subject in range(2):
        shots = tuple(f"{' '.join(WORDS[subject:])} {number}: {WORDS[number]}" for number in range(3))
        for question in range(5):
            text = " ".join(WORDS[question : question + 3 + 2 * question])
            requests.append(Request(TextPrompt(text, shots, f"about {subject}\n\n"), choices=CHOICES))
    return requests


def generated_requests() -> list[Request]:
    return [
        chat(" ".join(WORDS[n : n + 1 + 2 * n]), shots=3 * (n % 2), max_tokens=4 + 3 * n) for n in range(7)
    ]


@pytest.mark.parametrize("name", SHARING)
def test_scores_and_texts_equal_those_of_the_plain_engine(folders: dict[str, Path], name: str) -> None:
    shared, plain = Local(folders[name]), Local(folders[name], shared=False)
    assert shared.obstacle is None and plain.obstacle is not None
    expected = [plain.ask([request])[0] for request in scored_requests()]
    for ours, theirs in zip(shared.ask(scored_requests()), expected, strict=True):
        assert ours.error is None and theirs.error is None
        assert dict(ours.scores) == pytest.approx(dict(theirs.scores), abs=2e-4)
    assert len({round(completion.scores["B"], 2) for completion in shared.ask(scored_requests())}) > 5
    texts = [completion.text for completion in shared.ask(generated_requests())]
    assert texts == [plain.ask([request])[0].text for request in generated_requests()]
    assert len(set(texts)) > 4


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_batch_size_and_order_do_not_change_answers(folders: dict[str, Path], name: str) -> None:
    requests = [*scored_requests(), *generated_requests(), *scored_requests()[:3]]
    first = Local(folders[name]).ask(requests)
    order = list(range(len(requests)))
    random.Random(3).shuffle(order)
    for at_once, tokens in ((1, 4000), (3, 90), (1000, 200)):
        again = Local(folders[name], batch_tokens=tokens).ask([requests[n] for n in order], at_once)
        for number, completion in zip(order, again, strict=True):
            assert completion.text == first[number].text
            assert dict(completion.scores) == pytest.approx(dict(first[number].scores), abs=1e-4)
            assert completion.finish_reason == first[number].finish_reason


def record_sizes(model: Local) -> list[int]:
    """A list to which each run of the model from now on appends its number of tokens."""
    sizes: list[int] = []
    forward = model.loaded.model.forward

    def recording(**arguments: Any) -> Any:
        sizes.append(arguments["input_ids"].shape[1])
        return forward(**arguments)

    model.loaded.model.forward = recording
    return sizes


def test_a_question_computes_only_its_unshared_tokens(folders: dict[str, Path]) -> None:
    """One-token choices add no computed tokens, longer ones add those after their common beginning."""
    model = Local(folders["llama"], batch_tokens=100_000)
    sizes = record_sizes(model)
    letters = {letter: letter for letter in "ABCD"}
    shots = tuple(f"{word} {WORDS[0]} {WORDS[1]}: A" for word in WORDS[:8])
    prompts = [TextPrompt(f"the {word}:", shots) for word in WORDS[:6]]
    completions = model.ask([Request(prompt, choices=letters) for prompt in prompts])
    lengths = [completion.prompt_tokens or 0 for completion in completions]
    shared = min(completion.shared_tokens or 0 for completion in completions)
    assert shared > 60
    assert sum(sizes) == shared + sum(length - shared for length in lengths)
    before = sum(sizes)
    longer = model.ask([Request(prompts[0], choices={"A": "X", "B": "YZ", "C": "YZ2"})])[0]
    assert set(longer.scores) == {"A", "B", "C"}
    assert sum(sizes) - before == (longer.prompt_tokens or 0) - shared + 2


def test_latencies_add_up_to_the_time_spent(folders: dict[str, Path]) -> None:
    model = Local(folders["llama"])
    started = time.perf_counter()
    completions = model.ask([*scored_requests(), *generated_requests()])
    elapsed = time.perf_counter() - started
    assert 0 < sum(completion.latency_s for completion in completions) <= elapsed
    assert all(0 < c.latency_s <= c.batch_s for c in completions if c.batch_s is not None)
    assert all(completion.batch_s is not None for completion in completions)


def limit_memory(model: Local, max_tokens: int) -> None:
    """Make every run of the model with more than ``max_tokens`` tokens run out of memory."""
    forward = model.loaded.model.forward

    def limited(**arguments: Any) -> Any:
        if arguments["input_ids"].shape[1] > max_tokens:
            raise RuntimeError("CUDA out of memory")
        return forward(**arguments)

    model.loaded.model.forward = limited


def test_running_out_of_memory_shrinks_batches_and_loses_no_request(folders: dict[str, Path]) -> None:
    requests = [*scored_requests(), *generated_requests()]
    expected = Local(folders["llama"]).ask(requests)
    model = Local(folders["llama"])
    limit_memory(model, 250)
    for completion, other in zip(model.ask(requests), expected, strict=True):
        assert (completion.error, completion.text) == (None, other.text)
        assert dict(completion.scores) == pytest.approx(dict(other.scores), abs=1e-4)
    model = Local(folders["llama"])
    limit_memory(model, 60)
    errors = [completion.error for completion in model.ask(requests)]
    fits = [error is None for error in errors]
    assert True in fits and False in fits
    assert all("out of memory with" in error for error in errors if error is not None)
    assert model.ask(requests[-1:])[0].error == errors[-1]


def test_texts_restart_when_they_do_not_fit_in_memory_together(folders: dict[str, Path]) -> None:
    requests = [chat(word, max_tokens=9) for word in WORDS[:6]]
    expected = [completion.text for completion in Local(folders["llama"]).ask(requests)]
    model = Local(folders["llama"])
    forward = model.loaded.model.forward

    def two_rows(**arguments: Any) -> Any:
        decoding = "logits_to_keep" not in arguments  # then each row has one token
        if decoding and arguments["input_ids"].shape[1] > 2:
            raise MemoryError
        return forward(**arguments)

    model.loaded.model.forward = two_rows
    assert [completion.text for completion in model.ask(requests)] == expected


def test_an_error_fails_only_the_requests_of_its_batch(folders: dict[str, Path]) -> None:
    model = Local(folders["llama"], batch_tokens=60)
    forward, calls = model.loaded.model.forward, iter(range(1000))

    def failing(**arguments: Any) -> Any:
        if next(calls) == 1:
            raise ValueError("broken kernel")
        return forward(**arguments)

    model.loaded.model.forward = failing
    completions = model.ask([*generated_requests(), *scored_requests()])
    failed = [completion.error for completion in completions if completion.error is not None]
    assert 0 < len(failed) < len(completions)
    assert set(failed) == {"ValueError: broken kernel"}


def test_a_model_that_cannot_share_says_why_and_uses_plain_batches(folders: dict[str, Path]) -> None:
    model = Local(folders["mamba"])
    assert model.obstacle is not None and "Mamba" in model.obstacle and "\n" not in model.obstacle
    requests = [*scored_requests(), *generated_requests()]
    single = [model.ask([request])[0] for request in requests]
    for ours, theirs in zip(model.ask(requests), single, strict=True):
        assert ours.error is None and ours.text == theirs.text
        assert dict(ours.scores) == pytest.approx(dict(theirs.scores), abs=2e-4)
