"""Requests as tokens: what a context leaves room for, chat templates, and where a text ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import Completion, Request, TextPrompt
from pytest_llmeval.models.hf.encoding import Encoded, Encoder, Writer, end_tokens
from tests.support.tiny_models import WORDS, chat, save_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(made)
    return made


def tokenizer(folder: Path):  # type: ignore[no-untyped-def]
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_the_earliest_shots_go_when_the_prompt_is_too_long(folder: Path) -> None:
    encoder = Encoder(tokenizer(folder), 96)
    fits = encoder.encode(chat("cat", max_tokens=8))
    assert (fits.note.dropped_shots, fits.note.prompt) == (0, None)
    long = encoder.encode(chat("cat", shots=9, max_tokens=8))
    assert 0 < long.note.dropped_shots < 9
    assert len(long.ids) + 8 <= 96
    assert long.note.prompt is not None and "shot 0" not in long.note.prompt and "shot 8" in long.note.prompt
    assert long.note.notes == (f"{long.note.dropped_shots} earliest shots dropped to fit 96 tokens",)
    with pytest.raises(RequestFailed, match="more than the model's context of 96"):
        encoder.encode(chat("xyz " * 90, max_tokens=8))
    scored = encoder.encode(Request(TextPrompt("cat", ("word " * 9,) * 5), choices={"A": " a", "B": " b"}))
    assert scored.note.dropped_shots > 0 and scored.size <= 96


def test_an_answer_longer_than_the_context_is_limited_and_noted(folder: Path) -> None:
    encoded = Encoder(tokenizer(folder), 64).encode(chat("cat", max_tokens=1000))
    assert len(encoded.ids) + encoded.room == 64
    assert encoded.note.notes == (f"answer limited to {encoded.room} tokens by the context of 64",)


def test_without_a_chat_template_turns_are_joined_and_noted(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, template=None)
    encoded = Encoder(tokenizer(tmp_path), None).encode(chat("cat", shots=1, max_tokens=4))
    assert encoded.note.prompt is not None and encoded.note.prompt.endswith("\nthe\ncat")
    assert encoded.note.notes == ("no chat template: turns joined as text",)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("context", ["the cat", "dog\n\n", "dog  ", " ", ""])
def test_blanks_move_to_the_choice(tmp_path: Path, bos: bool, context: str) -> None:
    save_tokenizer(tmp_path, bos=bos)
    words = tokenizer(tmp_path)
    choices = {"A": " cat", "B": " dog ran"}
    encoded = Encoder(words, None).encode(Request(TextPrompt(context), choices=choices))
    assert words.decode(encoded.ids).removeprefix("<s>") == context.rstrip()
    assert bool(encoded.ids and encoded.ids[0] == 0) == (bos or not context.strip())
    blanks = context[len(context.rstrip()) :]
    assert {label: words.decode(tail) for label, tail in encoded.tails.items()} == {
        label: blanks + choice for label, choice in choices.items()
    }


def test_a_choice_without_a_token_is_an_error(folder: Path) -> None:
    with pytest.raises(RequestFailed, match="no token of its own"):
        Encoder(tokenizer(folder), None).encode(Request(TextPrompt("cat"), choices={"A": "", "B": " b"}))


class _Model:
    def __init__(self, eos: object) -> None:
        self.generation_config = type("Config", (), {"eos_token_id": eos})


@pytest.mark.parametrize(
    ("eos", "ends"), [(1, (1, 2)), ([1, 5], (1, 2, 5)), (None, (1, 2))], ids=["one", "several", "none"]
)
def test_ends_of_a_turn_in_the_template_are_end_tokens(
    folder: Path, eos: object, ends: tuple[int, ...]
) -> None:
    assert end_tokens(_Model(eos), tokenizer(folder)) == ends


def encoded(room: int, *stop: str) -> Encoded:
    return Encoded(chat("cat", stop=stop, max_tokens=room), (3, 4), room, {}, Completion())


def test_where_a_text_ends(folder: Path) -> None:
    words = tokenizer(folder)
    writer = Writer(words, (1, 2))
    tokens = words.encode(" ".join(WORDS), add_special_tokens=False)

    def written(request: Encoded, tokens: Sequence[int]) -> tuple[str, str, int | None]:
        for count in range(1, len(tokens) + 1):
            if writer.ended(request, tokens[:count]):
                completion = writer.completion(request, tokens[:count])
                return completion.text, completion.finish_reason, completion.completion_tokens
        raise AssertionError("it does not end")

    text = words.decode(tokens[:6])
    assert written(encoded(6), tokens) == (text, "length", 6)
    assert written(encoded(99), [*tokens[:6], 2, *tokens]) == (text, "stop", 7)
    assert written(encoded(7), [*tokens[:6], 1]) == (text, "stop", 7)
    cut, reason, count = written(encoded(99, "zzz", "on a mat"), tokens)
    assert (cut, reason) == ("the cat sat ", "stop")
    assert count is not None and count < len(tokens)


def test_a_stop_string_of_characters_of_many_tokens_is_seen(folder: Path) -> None:
    words = tokenizer(folder)
    writer = Writer(words, (1,))
    tokens = words.encode("答案是甲。\n\n问题", add_special_tokens=False)
    ends = [n for n in range(1, len(tokens) + 1) if writer.ended(encoded(999, "。\n\n"), tokens[:n])]
    assert words.decode(tokens[: ends[0]]).endswith("。\n\n")
    assert writer.completion(encoded(999, "。\n\n"), tokens[: ends[0]]).text == "答案是甲"
