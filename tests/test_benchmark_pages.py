"""The page of each packaged benchmark, and the tables of docs/benchmarks.md."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pytest_llmeval.suites.catalog import load, packaged
from tests.support.paths import DOCS

#: questions of this project, with prompts of another benchmark
OURS = {"mini", "mini_en"}


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


benchmark_pages = _load(DOCS / "benchmark_pages.py")


@pytest.mark.parametrize("name", sorted(packaged()))
def test_what_a_page_needs(name: str) -> None:
    benchmark = load(packaged()[name])
    assert benchmark.licence
    assert benchmark.source
    if name not in OURS:
        assert benchmark.protocol is not None
        assert benchmark.protocol.file and benchmark.protocol.commit


@pytest.mark.parametrize("name", sorted(packaged()))
def test_a_page(name: str) -> None:
    benchmark = load(packaged()[name])
    text = benchmark_pages.page(benchmark)
    assert text.startswith(f"# {benchmark.title}\n")
    assert f"--llm-benchmark={name}" in text
    sections = re.findall("^## (.+)$", text, re.M)
    assert "How it is scored" in sections and "What a run costs" in sections and "Data" in sections
    assert all(f"### `{name}@{variant}`" in text for variant in benchmark.variants)
    assert "None" not in re.sub(r"(?s)(`{3,}) text\n.*?\n\1", "", text)
    for target in re.findall(r"\]\(\.\./([a-z-]+\.md)", text):
        assert (DOCS / target).is_file() or target == "options.md"


def test_an_example_is_what_is_sent() -> None:
    text = benchmark_pages.page(load(packaged()["gsm8k"]))
    assert (
        "``` text\nQuestion: A box has 4 rows of 6 eggs. Three are broken. How many are whole?\nAnswer:\n```"
        in text
    )
    assert "5 examples come before it" in text
    assert 'or until one of `"Question:"`' in text
    assert "A reply that counts as correct:" in text


def test_a_first_question_has_its_examples() -> None:
    text = benchmark_pages.page(load(packaged()["mini_en"]))
    assert text.count("\n`assistant`\n") == 5
    assert "### Mode logprob" in text and 'Scored after this text: `" friction"`' in text


def test_cost() -> None:
    text = benchmark_pages.page(load(packaged()["aime24"]))
    assert "30 questions, each asked 8 times" in text
    assert f"at most {30 * 8 * 32768:,} completion tokens" in text


def test_a_variant_says_what_differs() -> None:
    text = benchmark_pages.page(load(packaged()["mbpp"]))
    assert 'What differs: `shots` = `3`, `stop` = `["[DONE]"]`, `prompts.generate.user`' in text


def test_a_benchmark_with_nothing_to_say_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text(
        'name = "bare"\n[data]\nhub = { repo = "owner/bare", gated = true }\n'
    )
    text = benchmark_pages.page(load(tmp_path))
    assert text.startswith("# bare\n")
    assert "accept the terms" in text
    assert "## An example" not in text and "## Notes" not in text


def test_text_is_no_markup() -> None:
    benchmark = load(packaged()["math_500"])
    assert r"`15^\circ`" in benchmark_pages.page(benchmark)
    assert benchmark_pages._text("a_b `c_d` <e>") == r"a\_b `c_d` \<e>"
    assert benchmark_pages._code("(?<![A-Z])") == "<code>&#40;&#63;&#60;&#33;&#91;A&#45;Z&#93;&#41;</code>"
    assert benchmark_pages._fence("```\na\n```").startswith("```` text\n")


def test_the_index() -> None:
    text = benchmark_pages.index()
    for name in packaged():
        assert f"| [`{name}`](benchmarks/{name}.md) |" in text
    assert "| [`mmlu`](benchmarks/mmlu.md) | `mmlu` | `mmlu_gen` | `mmlu` | `mmlu` |" in text
    assert "<!-- the table of benchmarks -->" in (DOCS / "benchmarks.md").read_text("utf-8")
