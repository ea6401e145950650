"""The extractors text and json, and short answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract.plain import json_value, stated, text


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        (" Rome \n", "Rome"),
        ("Rome<|im_end|>\n<|im_start|>user\nNext?", "Rome"),
        ("<|im_start|>assistant\nRome<|im_end|>", "Rome"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nRome<|eot_id|>", "Rome"),
        ("Rome</s>", "Rome"),
        ("<think>Bern?</think>Rome", "Rome"),
        ("", None),
        ("<|im_end|>", None),
    ],
)
def test_text(reply: str, read: str | None) -> None:
    assert text(reply) == read


@pytest.mark.parametrize(
    ("answer", "short"),
    [
        ("Answer: Rome", "Rome"),
        ("It is not Bern.\n\n**Final answer:** Rome\n\nIt lies on the Tiber.", "Rome"),
        (r"So it is $\boxed{\text{Rome}}$.", "Rome"),
        ("<answer>Rome</answer>", "Rome"),
        ('{"answer": "Rome"}', "Rome"),
        ("Antwort: Rom", "Rom"),
        ("答案是罗马。", "罗马"),
        ("Answer: Bern. Wait.\nAnswer: Rome", "Rome"),
        ("Answer: Mt. Etna", "Mt. Etna"),
    ],
)
def test_stated(answer: str, short: str) -> None:
    assert short in {candidate.strip(". 。") for candidate in stated(answer)}


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("3", "3"),
        ('For example {"a": 0}. Here: {"a": 1}', '{"a": 1}'),
        ('See [3]: {"a": 1} as in [4].', '{"a": 1}'),
        ('{"a": 1}\n\n[1] The source', '{"a": 1}'),
        ('Given {"a": 1} the result is [1, 2]', "[1, 2]"),
        ('```json\n{"a": 1}\n```\nUse {x} with care.', '{"a": 1}'),
        ("```\ntrue\n```", "true"),
        ('First {"a": 1}, then {"a": 2, "b": [1', None),
        ('{"a": [1, 2],}', None),
        ("{'a': [1, 2]}", None),
        ('{"a": NaN}', None),
        ("The set {a, b}", None),
        ("[", None),
    ],
)
def test_json(reply: str, read: str | None) -> None:
    assert json_value(reply) == read


@given(st.text(r'{}[]",: 1ab`' + "\n", max_size=200))
def test_any_text_gives_json_or_none(reply: str) -> None:
    import json

    value = json_value(reply)
    assert value is None or json.dumps(json.loads(value))


@pytest.mark.parametrize("piece", ["{", "[", '{"a":', "[1,", "{a", "```json\n", '"', "[1] ", "{}"])
def test_long_hostile_texts(piece: str) -> None:
    json_value(piece * 30_000)
    list(stated(piece * 30_000))
