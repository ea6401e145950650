"""Requests as tokens: fitting the context, and chat templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed
from pytest_llmeval.core.types import ChatPrompt, Message, Request, TextPrompt
from pytest_llmeval.models.hf.encoding import Encoder
from tests.support.tiny_models import chat, load_tokenizer, save_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(path)
    return path


def test_the_earliest_shots_are_dropped_from_a_prompt_that_is_too_long(folder: Path) -> None:
    encoder = Encoder(load_tokenizer(folder), 96)
    fits = encoder.encode(chat("cat", max_tokens=8))
    assert (fits.draft.dropped_shots, fits.draft.prompt) == (0, None)
    long = encoder.encode(chat("cat", shots=9, max_tokens=8))
    assert 0 < long.draft.dropped_shots < 9
    assert len(long.ids) + 8 <= 96
    assert (
        long.draft.prompt is not None and "shot 0" not in long.draft.prompt and "shot 8" in long.draft.prompt
    )
    assert long.draft.notes == (f"{long.draft.dropped_shots} earliest shots dropped to fit 96 tokens",)
    with pytest.raises(RequestFailed, match="more than the model's context of 96"):
        encoder.encode(chat("xyz " * 90, max_tokens=8))
    scored = encoder.encode(Request(TextPrompt("cat", ("word " * 9,) * 5), choices={"A": " a", "B": " b"}))
    assert scored.draft.dropped_shots > 0 and scored.max_length <= 96


def test_an_answer_longer_than_the_context_is_limited_and_noted(folder: Path) -> None:
    encoded = Encoder(load_tokenizer(folder), 64).encode(chat("cat", max_tokens=1000))
    assert len(encoded.ids) + encoded.max_new_tokens == 64
    assert encoded.draft.notes == (f"answer limited to {encoded.max_new_tokens} tokens by the context of 64",)


def test_without_a_chat_template_turns_are_joined_and_noted(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, template=None)
    encoded = Encoder(load_tokenizer(tmp_path), None).encode(chat("cat", shots=1, max_tokens=4))
    assert encoded.draft.prompt is not None and encoded.draft.prompt.endswith("\nthe\ncat")
    assert encoded.draft.notes == ("no chat template: turns joined as text",)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("context", ["the cat", "dog\n\n", "dog  ", " ", ""])
def test_trailing_blanks_move_to_the_choice(tmp_path: Path, bos: bool, context: str) -> None:
    save_tokenizer(tmp_path, bos=bos)
    tokenizer = load_tokenizer(tmp_path)
    choices = {"A": " cat", "B": " dog ran"}
    encoded = Encoder(tokenizer, None).encode(Request(TextPrompt(context), choices=choices))
    assert tokenizer.decode(encoded.ids).removeprefix("<s>") == context.rstrip()
    assert bool(encoded.ids and encoded.ids[0] == 0) == (bos or not context.strip())
    blanks = context[len(context.rstrip()) :]
    assert {label: tokenizer.decode(tail) for label, tail in encoded.tails.items()} == {
        label: blanks + choice for label, choice in choices.items()
    }


def test_a_choice_without_a_token_is_an_error(folder: Path) -> None:
    with pytest.raises(RequestFailed, match="adds no token"):
        Encoder(load_tokenizer(folder), None).encode(Request(TextPrompt("cat"), choices={"A": "", "B": " b"}))


@pytest.mark.parametrize("bos", [False, True])
def test_an_end_token_that_the_tokenizer_appends_is_left_out(tmp_path: Path, bos: bool) -> None:
    save_tokenizer(tmp_path / "usual", bos=bos, template=None)
    save_tokenizer(tmp_path / "appending", bos=bos, eos=True, template=None)
    assert load_tokenizer(tmp_path / "appending").encode("the cat")[-1] == 1
    for request in (
        Request(TextPrompt("the cat"), choices={"A": " dog", "B": " ran far"}),
        Request(TextPrompt("the cat"), choices={"A": " dog", "B": " ran"}, lm_eval=True),
        Request(TextPrompt(""), choices={"A": "the cat"}, lm_eval=True, rolling=True),
        chat("the cat", max_tokens=4),
    ):
        usual, appending = (
            Encoder(load_tokenizer(tmp_path / name), None).encode_pieces(request)
            for name in ("usual", "appending")
        )
        assert [(piece.ids, piece.tails) for piece in appending] == [
            (piece.ids, piece.tails) for piece in usual
        ]


class _Mixing:
    """A tokenizer whose special tokens change those of the text."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [1, 2] if add_special_tokens else [3]


def test_special_tokens_that_cannot_be_told_from_the_text_are_refused() -> None:
    with pytest.raises(ModelUnusable, match=r"with special tokens \(\[1, 2\]\) than without \(\[3\]\)"):
        Encoder(_Mixing(), None)


def test_choices_that_the_tokenizer_cannot_tell_apart_are_an_error(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({"[UNK]": 0, "cat": 1, "A": 2}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    encoder = Encoder(PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]"), None)
    same = encoder.encode(Request(TextPrompt("cat"), choices={"A": " 甲", "B": " 甲"}))
    assert same.tails == {"A": (0,), "B": (0,)}
    with pytest.raises(RequestFailed, match=r"gives choices A and C the same tokens \[0\]"):
        encoder.encode(Request(TextPrompt("cat"), choices={"A": " 甲", "B": " A", "C": " 乙"}))


def test_an_empty_prompt_needs_a_token_to_begin_with(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    tokenizer.bos_token = tokenizer.eos_token = None
    with pytest.raises(RequestFailed, match="the prompt is empty, and the tokenizer has no bos or eos"):
        Encoder(tokenizer, None).encode(Request(TextPrompt(""), choices={"A": "a", "B": "b"}))


def test_turns_of_lm_evaluation_harness_are_rendered_by_the_template(folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(folder)
    turns = [{"role": "user", "content": "the cat"}]
    prompt = ChatPrompt((Message("user", "the cat"),))
    (encoded,) = Encoder(tokenizer, None).encode_pieces(Request(prompt, choices={"A": " dog"}, lm_eval=True))
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert encoded.draft.prompt == rendered
    begun = ChatPrompt((*prompt.question, Message("assistant", "a dog")))
    (encoded,) = Encoder(tokenizer, None).encode_pieces(Request(begun, max_tokens=4, lm_eval=True))
    assert encoded.draft.prompt is not None and encoded.draft.prompt.endswith("a dog")
    save_tokenizer(tmp_path, template=None)
    with pytest.raises(ModelUnusable, match="no chat template, which --llm-lm-eval-chat needs"):
        Encoder(load_tokenizer(tmp_path), None).encode_pieces(Request(prompt, max_tokens=4, lm_eval=True))
