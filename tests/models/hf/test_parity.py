"""Scores and texts of many architectures, beside an unpadded forward pass of each sequence alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llmeval.core.types import Request, TextPrompt
from tests.support.architectures import ARCHITECTURES, save_architecture
from tests.support.tiny_models import WORDS, Local, load_tokenizer

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


class Reference:
    """transformers' own forward pass of one unpadded sequence, without a cache."""

    def __init__(self, model: Any, folder: Path) -> None:
        self._model = model
        self._tokenizer = load_tokenizer(folder)

    def scores(self, prompt: str, choices: dict[str, str]) -> dict[str, float]:
        head = self._tokenizer.encode(prompt)
        scores = {}
        for label, choice in choices.items():
            tail = self._tokenizer.encode(prompt + choice)[len(head) :]
            logits = self._logits([*head, *tail[:-1]])[-len(tail) :].double().log_softmax(-1)
            scores[label] = sum(float(row[token]) for row, token in zip(logits, tail, strict=True))
        return scores

    def text(self, prompt: str, max_tokens: int) -> str:
        ids = self._tokenizer.encode(prompt)
        written: list[int] = []
        while len(written) < max_tokens:
            token = int(self._logits([*ids, *written])[-1].argmax())
            if token == self._tokenizer.eos_token_id:
                break
            written.append(token)
        return str(self._tokenizer.decode(written, skip_special_tokens=True))

    def _logits(self, ids: Sequence[int]) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = self._model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        return logits


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
