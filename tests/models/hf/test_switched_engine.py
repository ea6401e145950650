"""Prompts on both sides of a length switch are answered as each of them is alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.core.types import Request, TextPrompt
from pytest_llmeval.models.hf.switched_engine import SwitchedEngine
from tests.support.architectures import Reference, save_architecture
from tests.support.tiny_models import SENTENCE, Local

TEXT = " ".join([SENTENCE] * 6)


@pytest.fixture(
    scope="module", params=[("phi3_longrope_shared", 85), ("phi3_longrope", 40)], ids=["shared", "plain"]
)
def saved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Reference, int]:
    """A model that can share prefixes or not, how it answers alone, and its switch."""
    name, switch = request.param
    folder = tmp_path_factory.mktemp("phi3")
    reference = Reference(save_architecture(folder, name), folder)
    assert (Local(folder).obstacle is None) == (name == "phi3_longrope_shared")
    return folder, reference, switch


def prompt(model: Local, tokens: int) -> TextPrompt:
    """A prompt of exactly ``tokens`` tokens."""
    tokenizer = model.loaded.tokenizer
    ids = tokenizer.encode(TEXT)[:tokens]
    assert tokenizer.encode(tokenizer.decode(ids)) == ids
    return TextPrompt(tokenizer.decode(ids))


def test_mixed_lengths_give_the_answers_of_each_sequence_alone(
    saved: tuple[Path, Reference, int],
) -> None:
    folder, reference, switch = saved
    model = Local(folder)
    assert isinstance(model.engine, SwitchedEngine)
    choices = {"A": " cat", "B": " ran far away from the hills", "C": " dog"}
    requests = []
    for length in (5, switch - 4, switch - 2, switch, switch + 1, switch + 20):
        requests.append(Request(prompt(model, length), choices=choices))
        requests.append(Request(prompt(model, length), max_tokens=9))
    expected = [
        reference.scores(request.prompt.text, choices)
        if request.choices
        else reference.text(request.prompt.text, 9)
        for request in requests
    ]
    for at_once in (1000, 3):
        for request, completion, answer in zip(requests, model.ask(requests, at_once), expected, strict=True):
            assert completion.error is None and completion.latency_s > 0
            if request.choices:
                assert dict(completion.scores) == pytest.approx(answer, abs=1e-5, rel=0)
            else:
                assert completion.text == answer
                assert completion.prompt_tokens == len(model.loaded.tokenizer.encode(request.prompt.text))


def test_stops_and_limits_count_over_both_sides(saved: tuple[Path, Reference, int]) -> None:
    folder, _, switch = saved
    model = Local(folder)
    start = prompt(model, switch - 3)
    free = model.ask([Request(start, max_tokens=12)])[0]
    assert (free.completion_tokens, free.finish_reason) == (12, "length")
    short = model.ask([Request(start, max_tokens=4)])[0]
    assert (short.completion_tokens, short.finish_reason) == (4, "length")
    assert free.text.startswith(short.text)
    stop = free.text[len(short.text) - 1 :][:3]  # begins before the switch and ends after it
    stopped = model.ask([Request(start, max_tokens=12, stop=(stop,))])[0]
    assert (stopped.text, stopped.finish_reason) == (free.text[: free.text.index(stop)], "stop")
