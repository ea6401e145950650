"""End tokens, stop strings and limits: where a text ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_llmeval.core.types import Completion
from pytest_llmeval.models.hf.detokenizer import Detokenizer, end_tokens
from pytest_llmeval.models.hf.encoded import EncodedRequest
from tests.support.tiny_models import TEMPLATE, WORDS, chat, load_tokenizer, save_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(path)
    return path


class _Model:
    def __init__(self, eos: object) -> None:
        self.generation_config = type("Config", (), {"eos_token_id": eos})


@pytest.mark.parametrize(
    ("eos", "ends"), [(1, (1, 2)), ([1, 5], (1, 2, 5)), (None, (1, 2))], ids=["one", "several", "none"]
)
def test_ends_of_a_turn_in_the_template_are_end_tokens(
    folder: Path, eos: object, ends: tuple[int, ...]
) -> None:
    assert end_tokens(_Model(eos), load_tokenizer(folder)) == ends


@pytest.mark.parametrize(
    ("templates", "ends"),
    [
        ({"default": TEMPLATE, "rag": "{{ messages }}"}, (1, 2)),
        ({"default": "{{ messages }}", "rag": TEMPLATE}, (1,)),
        ({"tool_use": TEMPLATE, "rag": TEMPLATE}, (1,)),
    ],
    ids=["default", "other", "no default"],
)
def test_of_several_templates_the_default_gives_the_ends_of_a_turn(
    tmp_path: Path, templates: dict[str, str], ends: tuple[int, ...]
) -> None:
    save_tokenizer(tmp_path, template=templates)
    assert end_tokens(_Model(1), load_tokenizer(tmp_path)) == ends


def test_a_list_of_named_templates_gives_the_ends_of_a_turn(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, template=None)
    config = tmp_path / "tokenizer_config.json"
    templates = [{"name": "default", "template": TEMPLATE}, {"name": "rag", "template": "{{ messages }}"}]
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": templates}))
    assert end_tokens(_Model(1), load_tokenizer(tmp_path)) == (1, 2)


def encoded(max_new_tokens: int, *stop: str) -> EncodedRequest:
    request = chat("cat", stop=stop, max_tokens=max_new_tokens)
    return EncodedRequest(request, (3, 4), max_new_tokens, {}, Completion())


def test_a_text_ends_at_an_end_token_a_stop_string_or_the_limit(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    detokenizer = Detokenizer(tokenizer, (1, 2))
    tokens = tokenizer.encode(" ".join(WORDS), add_special_tokens=False)

    def decode(request: EncodedRequest, tokens: Sequence[int]) -> tuple[str, str, int | None]:
        for count in range(1, len(tokens) + 1):
            if detokenizer.is_complete(request, tokens[:count]):
                completion = detokenizer.completion(request, tokens[:count])
                return completion.text, completion.finish_reason, completion.completion_tokens
        raise AssertionError("it does not end")

    text = tokenizer.decode(tokens[:6])
    assert decode(encoded(6), tokens) == (text, "length", 6)
    assert decode(encoded(99), [*tokens[:6], 2, *tokens]) == (text, "stop", 7)
    assert decode(encoded(7), [*tokens[:6], 1]) == (text, "stop", 7)
    cut, reason, count = decode(encoded(99, "zzz", "on a mat"), tokens)
    assert (cut, reason) == ("the cat sat ", "stop")
    assert count is not None and count < len(tokens)


def test_a_stop_string_whose_characters_take_several_tokens_is_found(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    detokenizer = Detokenizer(tokenizer, (1,))
    tokens = tokenizer.encode("答案是甲。\n\n问题", add_special_tokens=False)
    request = encoded(999, "。\n\n")
    ends = [n for n in range(1, len(tokens) + 1) if detokenizer.is_complete(request, tokens[:n])]
    assert tokenizer.decode(tokens[: ends[0]]).endswith("。\n\n")
    assert detokenizer.completion(request, tokens[: ends[0]]).text == "答案是甲"
