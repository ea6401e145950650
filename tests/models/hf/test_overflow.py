"""Logits that are not finite, as with float16, are an error of that request and of no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import Completion, Request, TextPrompt
from pytest_llmeval.models.hf.backend import HuggingFaceModel
from pytest_llmeval.runtime.asker import Asker
from pytest_llmeval.runtime.engine import Engine
from pytest_llmeval.runtime.llm import LLM
from tests.support.tiny_models import Local, chat, load_tokenizer, save_tiny

BOTH = pytest.mark.parametrize("shared", [True, False], ids=["shared", "plain"])
CHOICES = {"A": " cat", "B": " dog ran far", "C": " on"}
OVERFLOW = "the model's logits are not finite in float16; try --llm-dtype=bfloat16 or float32"


def overflow_at(folder: Path, token: int) -> None:
    """Make the embedding of ``token`` larger than float16 can hold; in bfloat16 and float32 it is fine."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][token] *= 1e6
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def with_word(folder: Path, word: str) -> Path:
    save_tiny(folder)
    (token,) = load_tokenizer(folder).encode(f" {word}", add_special_tokens=False)
    overflow_at(folder, token)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that overflows for prompts with "home"."""
    return with_word(tmp_path_factory.mktemp("home"), "home")


def requests(*texts: str) -> list[Request]:
    return [Request(TextPrompt(text, ("the cat sat on a mat",)), choices=CHOICES) for text in texts]


def errors(completions: Sequence[Completion]) -> list[str | None]:
    return [completion.error for completion in completions]


@BOTH
def test_scores(home: Path, shared: bool) -> None:
    model = Local(home, shared=shared, dtype="float16")
    completions = model.ask(requests("the dog", "far from home", "green hills", "at home"))
    assert errors(completions) == [None, OVERFLOW, None, OVERFLOW]
    alone = Local(home, shared=shared, dtype="float16").ask(requests("green hills"))[0]
    assert dict(completions[2].scores) == pytest.approx(dict(alone.scores), abs=0.05)
    assert errors(Local(home, shared=shared).ask(requests("far from home"))) == [None]


@BOTH
def test_a_choice_with_the_token(home: Path, shared: bool) -> None:
    """The token is an input only where another one follows it."""
    last, inside = (
        Request(TextPrompt("the dog ran"), choices={"A": " home", "B": text}) for text in (" far", " home on")
    )
    assert errors(Local(home, shared=shared, dtype="float16").ask([last, inside])) == [None, OVERFLOW]


@BOTH
def test_whole_texts_of_lm_evaluation_harness(home: Path, shared: bool) -> None:
    texts = ("the cat sat", "away from home and far")
    rolling = [Request(TextPrompt(""), choices={"text": text}, lm_eval=True, rolling=True) for text in texts]
    assert errors(Local(home, shared=shared, dtype="float16").ask(rolling)) == [None, OVERFLOW]


@BOTH
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_texts(home: Path, shared: bool, temperature: float) -> None:
    model = Local(home, shared=shared, dtype="float16")
    texts = ("the dog", "far from home", "green hills")
    completions = model.ask([chat(text, max_tokens=4, temperature=temperature) for text in texts])
    assert errors(completions) == [None, OVERFLOW, None]
    assert completions[2].completion_tokens


@BOTH
def test_a_text_that_overflows_after_some_tokens(tmp_path: Path, shared: bool) -> None:
    save_tiny(tmp_path)
    asked = [
        chat("the dog", max_tokens=12),
        chat("green hills", max_tokens=12),
        chat("one two", max_tokens=12),
    ]
    before = [model.text for model in Local(tmp_path, shared=shared, dtype="float16").ask(asked)]
    tokenizer = load_tokenizer(tmp_path)
    used = [
        set(tokenizer.encode(text)) for text in (*before[1:], *(request.prompt.text for request in asked))
    ]
    token = next(token for token in tokenizer.encode(before[0])[2:8] if token not in set().union(*used))
    overflow_at(tmp_path, token)
    model = Local(tmp_path, shared=shared, dtype="float16")
    completions = model.ask(asked)
    assert errors(completions) == [OVERFLOW, None, None]
    assert [completion.text for completion in completions[1:]] == before[1:]
    again = model.ask(asked[::-1])  # in the rows of the decode cache that had NaN
    assert errors(again) == [None, None, OVERFLOW]
    assert [completion.text for completion in again[:2]] == before[:0:-1]


def test_llm_choose(home: Path) -> None:
    config = ModelConfig("home", "hf", str(home), dtype="float16")
    engine = Engine(HuggingFaceModel(config), "home")
    llm = LLM(Asker(config, engine, {}, pytest.fail))
    try:
        assert llm.choose("the dog", CHOICES) in CHOICES
        with pytest.raises(RequestFailed, match="not finite in float16"):
            llm.choose("far from home", CHOICES)
        with pytest.raises(RequestFailed, match="not finite in float16"):
            llm.generate("far from home", max_tokens=4)
    finally:
        engine.close()
