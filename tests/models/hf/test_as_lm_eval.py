"""Requests read as lm-evaluation-harness' own local model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Request, TextPrompt
from pytest_llmeval.models.hf.as_lm_eval import windows
from tests.support.tiny_models import SENTENCE, WORDS, Local, save_tiny

pytestmark = pytest.mark.slow  # beside lm-evaluation-harness itself

LIMIT = 24


@given(st.integers(0, 40), st.integers(1, 12) | st.none())
def test_windows_score_every_token_once(length: int, limit: int | None) -> None:
    tokens = list(range(1, length + 1))
    found = list(windows(tokens, 0, limit))
    assert [token for _, own in found for token in own] == tokens
    for context, own in found:
        whole = (*context, *own)
        assert context
        # what is read is all but the last, and nothing is missing within it
        assert len(whole) - 1 <= (limit or length)
        assert list(whole) == list(range(whole[0], whole[-1] + 1))
    if limit and length > limit:
        assert len(found[-1][0]) + len(found[-1][1]) == limit + 1


@pytest.fixture(scope="module", params=["shared", "plain"])
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Local, Local]:
    """The same model twice: with a small context, and with all of its own."""
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder, template=None)
    shared = request.param == "shared"
    return Local(folder, shared=shared, context=LIMIT), Local(folder, shared=shared)


def likelihood(model: Local, ids: Sequence[int], own: int) -> tuple[float, bool]:
    """The log-probability of the last ``own`` of ``ids`` by transformers, and whether it is greedy."""
    given = torch.tensor([ids])
    with torch.inference_mode():
        model.loaded.model.set_attn_implementation("eager")
        logits = model.loaded.model(input_ids=given, use_cache=False).logits[0, -own - 1 : -1].float()
    last = given[0, -own:]
    picked = logits.log_softmax(-1).gather(1, last[:, None]).sum()
    return float(picked), bool((logits.argmax(-1) == last).all())


def asked(small: Local, request: Request) -> tuple[dict[str, float], dict[str, bool], tuple[str, ...]]:
    (found,) = small.ask([request])
    assert found.error is None
    return dict(found.scores), dict(found.greedy), found.notes


def test_a_context_too_long_is_cut_from_the_left(tmp_path: Path) -> None:
    save_tiny(tmp_path, template=None)
    small = Local(tmp_path, context=LIMIT)
    text = " ".join([SENTENCE] * 3)
    choices = {"short": f" {WORDS[1]}", "long": f" {' '.join(WORDS[:5])}"}
    scores, greedy, notes = asked(small, Request(TextPrompt(text), choices=choices, lm_eval=True))
    tokenizer = small.loaded.tokenizer
    head = tokenizer.encode(text)
    reference = Local(tmp_path, shared=False)
    for label, choice in choices.items():
        tail = tokenizer.encode(text + choice)[len(head) :]
        ids = (head + tail)[-(LIMIT + 1) :]
        score, likeliest = likelihood(reference, ids, len(tail))
        assert scores[label] == pytest.approx(score, abs=1e-4)
        assert greedy[label] == likeliest
    assert any("truncated" in note for note in notes)


def test_what_the_model_would_write_is_greedy(models: tuple[Local, Local]) -> None:
    _, whole = models
    tokenizer = whole.loaded.tokenizer
    head = tokenizer.encode(SENTENCE)
    texts = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    written = whole.ask([Request(TextPrompt(SENTENCE[:end]), max_tokens=1) for end in range(4, 60)])
    # a token that is a text by itself, which half a character is not
    end, own = next(
        (end, one.text) for end, one in enumerate(written, 4) if one.text in texts and "�" not in one.text
    )
    context = SENTENCE[:end]
    head = tokenizer.encode(context)
    choices = {text: text for text in texts if tokenizer.encode(context + text)[:-1] == head}
    (found,) = whole.ask([Request(TextPrompt(context), choices=choices, lm_eval=True)])
    assert [label for label, likeliest in found.greedy.items() if likeliest] == [own]
    # nobody pays for it who does not want it
    (plain,) = whole.ask([Request(TextPrompt(context), choices=choices)])
    assert plain.greedy == {}
    assert plain.scores == pytest.approx(found.scores, abs=1e-4)


def test_a_whole_text_is_scored_in_windows(models: tuple[Local, Local], tmp_path: Path) -> None:
    small, whole = models
    text = " ".join([SENTENCE] * 4)
    tokens = small.loaded.tokenizer.encode(text)
    assert len(tokens) > 3 * LIMIT
    save_tiny(tmp_path, template=None)
    reference = Local(tmp_path, shared=False)
    for model, limit in ((small, LIMIT), (whole, None)):
        scores, _, _ = asked(
            model, Request(TextPrompt(""), choices={"all": text}, lm_eval=True, rolling=True)
        )
        parts = windows(tokens, small.loaded.tokenizer.bos_token_id, limit)
        expected = sum(likelihood(reference, [*context, *own], len(own))[0] for context, own in parts)
        assert scores["all"] == pytest.approx(expected, rel=1e-5)


def test_an_empty_text_costs_nothing(models: tuple[Local, Local]) -> None:
    request = Request(TextPrompt(""), choices={"all": ""}, lm_eval=True, rolling=True)
    (found,) = models[0].ask([request])
    assert found.error is None
    assert found.scores == {}


def test_nothing_before_a_continuation(models: tuple[Local, Local], tmp_path: Path) -> None:
    _, whole = models
    tokenizer = whole.loaded.tokenizer
    save_tiny(tmp_path, template=None)
    reference = Local(tmp_path, shared=False)
    # the second brings the token that would stand before it
    for text in (SENTENCE, tokenizer.bos_token + SENTENCE):
        scores, _, _ = asked(whole, Request(TextPrompt(""), choices={"it": text}, lm_eval=True))
        ids = [tokenizer.bos_token_id, *tokenizer.encode(SENTENCE)]
        assert scores["it"] == pytest.approx(likelihood(reference, ids, len(ids) - 1)[0], rel=1e-5)


def test_a_prompt_to_be_continued_leaves_room_for_all_of_it(models: tuple[Local, Local]) -> None:
    small, whole = models
    text = " ".join([SENTENCE] * 3)
    (found,) = small.ask([Request(TextPrompt(text), max_tokens=10, lm_eval=True)])
    kept = small.loaded.tokenizer.decode(small.loaded.tokenizer.encode(text)[-(LIMIT - 10) :])
    (same,) = whole.ask([Request(TextPrompt(kept), max_tokens=10, lm_eval=True)])
    assert found.prompt_tokens == LIMIT - 10
    assert found.text == same.text
    assert "truncated" in found.notes[0]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(TextPrompt("the cat"), max_tokens=LIMIT, lm_eval=True), "leave none for the prompt"),
        (Request(TextPrompt(""), max_tokens=2, lm_eval=True), "prompt is empty"),
        (Request(TextPrompt("the cat"), choices={"none": ""}, lm_eval=True), "has no tokens"),
        (Request(TextPrompt("the"), choices={"all": SENTENCE * 3}, lm_eval=True), "a continuation has"),
    ],
)
def test_what_cannot_be_asked(models: tuple[Local, Local], request_: Request, said: str) -> None:
    (found,) = models[0].ask([request_])
    assert said in str(found.error)


def test_only_what_the_checkpoint_calls_an_end_ends_a_text(tmp_path: Path) -> None:
    save_tiny(tmp_path)  # its template ends turns with a token that nothing lists as an end
    model = Local(tmp_path)
    tokenizer = model.loaded.tokenizer
    turn_end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    detokenizer = model.engine.detokenizer  # type: ignore[attr-defined]
    prompt = TextPrompt("the")
    assert turn_end in detokenizer.end_tokens_for(Request(prompt))
    assert turn_end not in detokenizer.end_tokens_for(Request(prompt, lm_eval=True))
    # unless the task names it: it is not in the text, where a stop string would be found
    assert turn_end in detokenizer.end_tokens_for(Request(prompt, lm_eval=True, stop=("<|im_end|>", "x")))
    assert tokenizer.eos_token_id in detokenizer.end_tokens_for(Request(prompt, lm_eval=True))
