"""Scores and texts of many architectures, beside an unpadded forward pass of each sequence alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pytest_llmeval.core.types import Request, TextPrompt
from tests.support.architectures import ARCHITECTURES, Reference, save_architecture
from tests.support.tiny_models import WORDS, Local

pytestmark = pytest.mark.slow

_LIMIT = 1e-5
_NEW_TOKENS = 8
# in words of one to three tokens: both sides of windows, of chunks, and of the positions at which models
# change their frequencies
_LENGTHS = (1, 30, 4, 17, 9, 31, 3, 22, 60, 12, 2, 28, 65, 90)
_CHOICES = {"A": " a", "B": " dog", "C": " ran far away from the hills", "D": "!?"}


def requests() -> list[Request]:
    """Prompts of mixed lengths, some with a common beginning; each is scored and continued."""
    draw = random.Random(5)
    common = " ".join(WORDS[:12])
    requests = []
    for number, length in enumerate(_LENGTHS):
        text = " ".join(draw.choices(WORDS, k=length))
        prompt = TextPrompt(f"{common} {text}" if number % 3 == 0 else text)
        requests += [Request(prompt, choices=_CHOICES), Request(prompt, max_tokens=_NEW_TOKENS)]
    return requests


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_answers_equal_those_of_each_sequence_alone(tmp_path: Path, name: str) -> None:
    reference = Reference(save_architecture(tmp_path, name), tmp_path)
    asked = requests()
    completions = Local(tmp_path).ask(asked)
    for request, completion in zip(asked, completions, strict=True):
        assert completion.error is None
        if request.choices:
            expected = reference.scores(request.prompt.text, _CHOICES)
            assert dict(completion.scores) == pytest.approx(expected, abs=_LIMIT, rel=0)
        else:
            assert completion.text == reference.text(request.prompt.text, _NEW_TOKENS)
    texts = {completion.text for completion in completions}
    assert len(texts) > len(_LENGTHS) // 2  # the model's answers depend on the prompt
