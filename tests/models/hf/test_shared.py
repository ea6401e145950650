"""Shared prefixes give the answers of single prompts, whatever the architecture, batch and order."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.core.types import Request, TextPrompt
from tests.support.tiny_models import ARCHITECTURES, SHARING, WORDS, Local, chat, save_tiny

CHOICES = {"A": " cat", "B": " dog ran far", "C": " dog sat", "D": "!?"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name in ARCHITECTURES:
        made[name] = tmp_path_factory.mktemp(name)
        save_tiny(made[name], name)
    return made


def scoring() -> list[Request]:
    """Questions of two subjects, with a few words of description and shots that each shares."""
    found = []
    for subject in range(2):
        shots = tuple(f"{' '.join(WORDS[subject:])} {number}: {WORDS[number]}" for number in range(3))
        for question in range(5):
            text = " ".join(WORDS[question : question + 3 + 2 * question])
            found.append(Request(TextPrompt(text, shots, f"about {subject}\n\n"), choices=CHOICES))
    return found


def writing() -> list[Request]:
    return [
        chat(" ".join(WORDS[n : n + 1 + 2 * n]), shots=3 * (n % 2), max_tokens=4 + 3 * n) for n in range(7)
    ]


@pytest.mark.parametrize("name", SHARING)
def test_scores_and_texts_are_those_of_plain_batches(folders: dict[str, Path], name: str) -> None:
    shared, plain = Local(folders[name]), Local(folders[name], shared=False)
    assert shared.why_not is None and plain.why_not is not None
    for ours, theirs in zip(shared.ask(scoring()), [plain.ask([one])[0] for one in scoring()], strict=True):
        assert ours.error is None and theirs.error is None
        assert dict(ours.scores) == pytest.approx(dict(theirs.scores), abs=2e-4)
    assert len({round(one.scores["B"], 2) for one in shared.ask(scoring())}) > 5
    texts = [one.text for one in shared.ask(writing())]
    assert texts == [plain.ask([one])[0].text for one in writing()]
    assert len(set(texts)) > 4


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_batch_and_order_change_no_answer(folders: dict[str, Path], name: str) -> None:
    requests = [*scoring(), *writing(), *scoring()[:3]]
    first = Local(folders[name]).ask(requests)
    order = list(range(len(requests)))
    random.Random(3).shuffle(order)
    for at_once, tokens in ((1, 4000), (3, 90), (1000, 200)):
        again = Local(folders[name], batch_tokens=tokens).ask([requests[n] for n in order], at_once)
        for number, completion in zip(order, again, strict=True):
            assert completion.text == first[number].text
            assert dict(completion.scores) == pytest.approx(dict(first[number].scores), abs=1e-4)
            assert completion.finish_reason == first[number].finish_reason


def counted(model: Local) -> list[int]:
    """The number of tokens of each run through the model from now on."""
    sizes: list[int] = []
    forward = model.loaded.model.forward

    def watched(**given: Any) -> Any:
        sizes.append(given["input_ids"].shape[1])
        return forward(**given)

    model.loaded.model.forward = watched
    return sizes


def test_a_question_costs_its_own_tokens(folders: dict[str, Path]) -> None:
    """Choices that differ in their first token alone cost nothing, longer ones what they do not share."""
    model = Local(folders["llama"], batch_tokens=100_000)
    sizes = counted(model)
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


def test_latencies_add_up_to_the_time_that_was_spent(folders: dict[str, Path]) -> None:
    model = Local(folders["llama"])
    started = time.perf_counter()
    completions = model.ask([*scoring(), *writing()])
    spent = time.perf_counter() - started
    assert 0 < sum(completion.latency_s for completion in completions) <= spent
    assert all(0 < c.latency_s <= c.batch_s for c in completions if c.batch_s is not None)
    assert all(completion.batch_s is not None for completion in completions)


def cramped(model: Local, most: int) -> None:
    """Let every run through the model with more than ``most`` tokens be one too many for memory."""
    forward = model.loaded.model.forward

    def limited(**given: Any) -> Any:
        if given["input_ids"].shape[1] > most:
            raise RuntimeError("CUDA out of memory")
        return forward(**given)

    model.loaded.model.forward = limited


def test_out_of_memory_halves_what_is_done_at_once_and_loses_nothing(folders: dict[str, Path]) -> None:
    requests = [*scoring(), *writing()]
    expected = Local(folders["llama"]).ask(requests)
    model = Local(folders["llama"])
    cramped(model, 250)
    for completion, other in zip(model.ask(requests), expected, strict=True):
        assert (completion.error, completion.text) == (None, other.text)
        assert dict(completion.scores) == pytest.approx(dict(other.scores), abs=1e-4)
    model = Local(folders["llama"])
    cramped(model, 60)
    errors = [completion.error for completion in model.ask(requests)]
    fits = [error is None for error in errors]
    assert True in fits and False in fits
    assert all("out of memory with" in error for error in errors if error is not None)
    assert model.ask(requests[-1:])[0].error == errors[-1]


def test_texts_begin_anew_when_they_do_not_fit_side_by_side(folders: dict[str, Path]) -> None:
    requests = [chat(word, max_tokens=9) for word in WORDS[:6]]
    expected = [completion.text for completion in Local(folders["llama"]).ask(requests)]
    model = Local(folders["llama"])
    forward = model.loaded.model.forward

    def narrow(**given: Any) -> Any:
        if "logits_to_keep" not in given and given["input_ids"].shape[1] > 2:  # one token a row
            raise MemoryError
        return forward(**given)

    model.loaded.model.forward = narrow
    assert [completion.text for completion in model.ask(requests)] == expected


def test_a_failure_is_told_and_the_rest_goes_on(folders: dict[str, Path]) -> None:
    model = Local(folders["llama"], batch_tokens=60)
    forward, calls = model.loaded.model.forward, iter(range(1000))

    def failing(**given: Any) -> Any:
        if next(calls) == 1:
            raise ValueError("broken kernel")
        return forward(**given)

    model.loaded.model.forward = failing
    completions = model.ask([*writing(), *scoring()])
    failed = [completion.error for completion in completions if completion.error is not None]
    assert 0 < len(failed) < len(completions)
    assert set(failed) == {"ValueError: broken kernel"}


def test_what_cannot_share_says_why_and_answers_plainly(folders: dict[str, Path]) -> None:
    model = Local(folders["mamba"])
    assert model.why_not is not None and "Mamba" in model.why_not and "\n" not in model.why_not
    completions = model.ask([*scoring(), *writing()])
    single = [model.ask([one])[0] for one in [*scoring(), *writing()]]
    for ours, theirs in zip(completions, single, strict=True):
        assert ours.error is None and ours.text == theirs.text
        assert dict(ours.scores) == pytest.approx(dict(theirs.scores), abs=2e-4)
