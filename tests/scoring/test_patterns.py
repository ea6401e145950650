"""Patterns of users: what they find, and that none of them hangs."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import RequestFailed
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring import patterns
from pytest_llmeval.scoring.extract import EXTRACTORS
from pytest_llmeval.scoring.extract.pattern import with_pattern
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.scoring.patterns import Found, find, find_all

HOSTILE = r"^(\w+\s?)*$"
TEXT = "a" * 60 + "!"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.2)


@given(st.text(), st.sampled_from([r"a", r"(\w+)", r"\d*", r"(?i:b)(c)?", r"^.$", r"\s(?=(.*))"]))
def test_finds_what_re_finds(text: str, pattern: str) -> None:
    compiled = re.compile(pattern)
    group = 1 if compiled.groups else 0
    found = [Found(*match.span(group), match[group]) for match in compiled.finditer(text)]
    assert find_all(compiled, text) == found
    assert find(compiled, text, "first") == (found[0] if found else None)
    assert find(compiled, text, "last") == (found[-1] if found else None)
    assert (find(compiled, text, "whole") is None) == (compiled.fullmatch(text) is None)


def test_flags_are_kept() -> None:
    assert find(re.compile("B", re.I), "abc", "first") == Found(1, 2, "b")


@pytest.mark.parametrize("pattern", [HOSTILE, r"(a|a)*$", r"(?:a*)*b", r"(.*)(.*)(.*)(.*)(.*)(.*)(.*)z"])
def test_no_pattern_hangs(hurried: None, pattern: str) -> None:
    with pytest.raises(RequestFailed, match=r"the pattern .* took more than 0.2 s"):
        find(re.compile(pattern), TEXT * 30, "first")
    assert find(re.compile("a"), "a", "first") == Found(0, 1, "a")


def test_a_pattern_that_needs_too_much_memory_fails() -> None:
    with pytest.raises(RequestFailed, match=r"took more than|fails \(MemoryError\)"):
        find_all(re.compile("(?=(.*))", re.S), "a" * 100_000)


def test_extractors_and_metrics_raise_for_a_slow_pattern(hurried: None) -> None:
    read = with_pattern(EXTRACTORS["text"], re.compile(HOSTILE), "last")
    with pytest.raises(RequestFailed):
        read(TEXT, {})
    regex = METRICS["regex"].make({}, "here")
    exact = METRICS["exact"].make({"pattern": HOSTILE}, "here")
    for score in (regex, exact):
        with pytest.raises(RequestFailed):
            score(TEXT, Question("b", "s", "0", {}, {}, HOSTILE))


def test_threads_share_the_process() -> None:
    results: list[Found | None] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(find(re.compile(str(n)), str(n), "first")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found.text or "" for found in results if found) == [str(n) for n in range(8)]
