"""Keys of a benchmark.toml that its page and its listing show."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.spec import parse

FILE = Path("own/benchmark.toml")


def test_what_a_page_shows() -> None:
    benchmark = parse(
        {
            "summary": "Questions of law.",
            "languages": ["en", "zh-Hant"],
            "peers": {"lm-eval": "law_qa"},
            "notes": ["Question 3 has two right choices."],
        },
        FILE,
    )
    assert benchmark.summary == "Questions of law."
    assert benchmark.languages == ("en", "zh-Hant")
    assert benchmark.peers == {"lm-eval": "law_qa"}
    assert benchmark.notes == ("Question 3 has two right choices.",)


def test_they_may_be_missing() -> None:
    benchmark = parse({}, FILE)
    assert (benchmark.summary, benchmark.languages, benchmark.peers, benchmark.notes) == ("", (), {}, ())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("languages", ["English"], "not a list of language codes, such as en, zh or zh-Hant"),
        ("languages", [1], "not a list of strings"),
        ("peers", ["lm-eval"], "not a table of harnesses and names"),
        ("peers", {"lm-eval": ""}, "not a table of harnesses and names"),
        ("peers", {"lm-eval": 1}, "not a table of harnesses and names"),
        ("notes", [1], "not a list of strings"),
        ("summary", 1, "not a string"),
    ],
)
def test_a_wrong_value_is_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=f"{FILE}: {key}: .* is {message}"):
        parse({key: value}, FILE)
