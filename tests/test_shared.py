"""Shared prefixes give the answers of single prompts, whatever the architecture, batch and order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from local import ARCHITECTURES, SHARING, WORDS, Local, chat, save_tiny

from pytest_llmeval.types import Request, TextPrompt

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


def test_what_cannot_share_says_why_and_answers_plainly(folders: dict[str, Path]) -> None:
    model = Local(folders["mamba"])
    assert model.why_not is not None and "Mamba" in model.why_not and "\n" not in model.why_not
    completions = model.ask([*scoring(), *writing()])
    single = [model.ask([one])[0] for one in [*scoring(), *writing()]]
    for ours, theirs in zip(completions, single, strict=True):
        assert ours.error is None and ours.text == theirs.text
        assert dict(ours.scores) == pytest.approx(dict(theirs.scores), abs=2e-4)
