"""A tokenizer that does not fit the weights, or a chat template that cannot be used, is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import Request, TextPrompt
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.backend import HuggingFaceModel
from pytest_llmeval.models.hf.tokenizer_fit import check_template, check_vocabulary, misfit_note
from pytest_llmeval.runtime.engine import Engine
from tests.support.tiny_models import Local, load_tokenizer, save_tiny, save_tokenizer

#: rows of the tiny model's embedding: its tokenizer has 8 tokens fewer
ROWS = 325
WAY_OUT = r"correct it, or remove it \(turns are then joined as text\)"


def tokenizer_with(folder: Path, change: Callable[[Any], Any]) -> Any:
    save_tokenizer(folder)
    tokenizer = load_tokenizer(folder)
    change(tokenizer)
    tokenizer.save_pretrained(folder)
    return load_tokenizer(folder)


def special(number: int) -> Callable[[Any], Any]:
    return lambda tokenizer: tokenizer.add_special_tokens(
        {"additional_special_tokens": [f"<x{n}>" for n in range(number)]}
    )


def then_pad(tokenizer: Any) -> None:
    special(8)(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})


def then_in_template(tokenizer: Any) -> None:
    special(9)(tokenizer)
    tokenizer.chat_template += "<x8>"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda tokenizer: tokenizer.add_tokens([f"<x{n}>" for n in range(12)]),
            r"added tokens that the weights lack: 4 beyond their 325 \(<x8>, <x9>, <x10>\); resize",
        ),
        (then_pad, r"lack: 1 beyond their 325 \(\[PAD\]\)"),
        (then_in_template, r"lack: 1 beyond their 325 \(<x8>\)"),
    ],
)
def test_added_tokens_without_resizing(tmp_path: Path, change: Callable[[Any], Any], says: str) -> None:
    tokenizer = tokenizer_with(tmp_path, change)
    with pytest.raises(ModelUnusable, match=says) as caught:
        check_vocabulary(tokenizer, ROWS, str(tmp_path), "model m")
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(tmp_path, lambda tokenizer: None)
    with pytest.raises(
        ModelUnusable, match="has 317 tokens, but the weights have only 300; it belongs to an"
    ):
        check_vocabulary(tokenizer, 300, str(tmp_path), "model m")
    check_vocabulary(tokenizer, 317, str(tmp_path), "model m")
    assert misfit_note(tokenizer, 330, "m") is None and misfit_note(tokenizer, None, "m") is None
    assert misfit_note(tokenizer, 32_000, "m") == (
        "m: the tokenizer has 317 tokens, the weights 32,000; does it belong to them?"
    )


def test_an_unused_special_token_is_tolerated_until_a_prompt_has_it(tmp_path: Path) -> None:
    """Gemma 3's models of text have such a token for images."""
    save_tiny(tmp_path)
    tokenizer_with(tmp_path, special(10))
    with_it = Request(TextPrompt("the cat <x9> sat"), max_tokens=2)
    scored = Request(TextPrompt("the cat"), choices={"A": " <x9>", "B": " on"})
    engine = Engine(HuggingFaceModel(ModelConfig("m", "hf", str(tmp_path))), "m")
    try:
        jobs = engine.ask([Request(TextPrompt("the cat sat"), max_tokens=2), with_it, scored])
        completions = [engine.wait(job) for job in jobs]
    finally:
        engine.close()
    message = "the prompt has token 326, but the weights know only 325 tokens"
    assert [completion.error for completion in completions] == [None, message, message]


TEMPLATES = [
    ("{% for m in messages %}{{ m.content }", "line 1 has an error .TemplateSyntaxError"),
    (
        "{% for m in messages %}\n{{ m.content | nosuch }}{% endfor %}",
        "line 2 has an error .*No filter named",
    ),
    ("{{ documents[0].title }}{% for m in messages %}{{ m.content }}{% endfor %}", "for want of an argument"),
    ("{% if not date %}{{ raise_exception('date is needed') }}{% endif %}", r"argument .*date is needed\)"),
    ("{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}", "list of parts"),
    ("hello", "loses the text of a question"),
]


@pytest.mark.parametrize(("template", "says"), TEMPLATES)
def test_a_template_that_cannot_be_used(tmp_path: Path, template: str, says: str) -> None:
    save_tokenizer(tmp_path, template=template)
    with pytest.raises(ModelUnusable, match=f"chat_template.jinja.*{says}.*{WAY_OUT}") as caught:
        check_template(load_tokenizer(tmp_path), str(tmp_path), "model m")
    assert "\n" not in str(caught.value)


def test_templates_without_a_default(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, template=None)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    named = [{"name": "rag", "template": "{{ messages[0].content }}"}, {"name": "tool", "template": "x"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": named}))
    with pytest.raises(
        ModelUnusable, match=r"several chat templates \(rag, tool\), but none is called default"
    ):
        check_template(load_tokenizer(tmp_path), str(tmp_path), "model m")
    named[0]["name"] = "default"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": named}))
    check_template(load_tokenizer(tmp_path), str(tmp_path), "model m")


@pytest.mark.parametrize("change", ["template", "vocabulary"])
def test_loading_refuses_both(tmp_path: Path, change: str) -> None:
    save_tiny(tmp_path, template="{{ messages" if change == "template" else None)
    if change == "vocabulary":
        tokenizer_with(tmp_path, then_pad)
    with pytest.raises(ModelUnusable, match="has an error" if change == "template" else "the weights lack"):
        Local(tmp_path)


def test_no_template_is_no_fault(tmp_path: Path) -> None:
    save_tiny(tmp_path, template=None)
    loaded = load.load(ModelConfig("m", "hf", str(tmp_path)), load.find(str(tmp_path)))
    assert loaded.rows == ROWS
