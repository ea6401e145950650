"""Variants: what is merged, what replaces, and how mistakes are reported."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pytest_llmeval.config.declare import by_key, options_of
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites import catalog, variants
from pytest_llmeval.suites.benchmark import Benchmark, schema

BASE = """
title = "Base"
metric = {name = "f1", threshold = 0.7}
shots = 3

[data]
format = "jsonl"
choices = []
hub = {repo = "owner/name", file = "a.jsonl"}

[prompts.generate]
user = "Q: {{ question }}"
system = "Be brief."

[subjects]
law = {name = "Law"}
"""


def load(folder: Path, extra: str, variant: str | None = None) -> Benchmark:
    (folder / "benchmark.toml").write_text(BASE + extra)
    return catalog.load(folder, variant=variant)


def test_tables_merge_and_the_rest_replaces(tmp_path: Path) -> None:
    extra = """
[variants.other]
shots = 0
metric = {name = "exact"}
[variants.other.data.hub]
file = ["b.jsonl", "c.jsonl"]
[variants.other.prompts.generate]
user = "{{ question }}"
[variants.other.subjects]
art = {name = "Art"}
"""
    base, other = load(tmp_path, extra), load(tmp_path, extra, "other")
    assert (base.result_name, other.result_name) == (tmp_path.name, f"{tmp_path.name}@other")
    assert (base.title, other.title) == ("Base", "Base (other)")
    assert (other.shots, other.metric.name, other.metric.threshold) == (0, "exact", None)
    assert other.data.hub is not None
    assert (other.data.hub.repo, other.data.hub.files) == ("owner/name", ("b.jsonl", "c.jsonl"))
    assert (other.generate.user, other.generate.system) == ("{{ question }}", "Be brief.")
    assert list(other.subjects) == ["law", "art"]
    assert (base.shots, base.metric.threshold, list(base.subjects)) == (3, 0.7, ["law"])
    assert list(base.variants) == ["other"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("[variants.x]\nshotz = 1\n", "unknown key 'shotz' in {file} [variants.x]; did you mean 'shots'?"),
        ("[variants.x]\nshots = 'two'\n", "{file} [variants.x]: shots: 'two' is not a whole number of"),
        ("[variants.x.data]\nformt = 'csv'\n", "unknown key 'formt' in {file} [variants.x] [data]; did you"),
        ("[variants.x]\nmetric = 'f2'\n", "unknown metric 'f2' in {file} [variants.x]; did you mean 'f1'?"),
        ("[variants.x]\nsplit = 'dev'\nsplits = ['a']\n", "unknown split 'dev' in {file} [variants.x];"),
        (
            "[variants.x.prompts.generate]\nuser = '{{ nope }}'\n",
            "unknown field 'nope' in {file} [variants.x] [prompts.",
        ),
        ("[variants.x]\nname = 'y'\n", "{file} [variants.x]: name: variants cannot change it"),
        ("[variants.x.variants.y]\nshots = 1\n", "{file} [variants.x]: variants: variants cannot change it"),
        ("[variants.'a b']\nshots = 1\n", "{file}: variants: "),
        ("[variants]\nx = 1\n", "{file}: variants: "),
    ],
)
def test_a_mistake_is_found_when_the_benchmark_is_loaded(tmp_path: Path, extra: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, extra)
    assert str(error.value).startswith(message.format(file=tmp_path / "benchmark.toml"))


def test_an_unknown_variant(tmp_path: Path) -> None:
    extra = "[variants.lm-eval]\nshots = 0\n"
    with pytest.raises(UserError, match=r"unknown variant 'lmeval' in .*; did you mean 'lm-eval'\?"):
        load(tmp_path, extra, "lmeval")
    (tmp_path / "q.csv").write_text("question,A,B,answer\nq?,x,y,A\n")
    (tmp_path / "benchmark.toml").unlink()
    with pytest.raises(UserError, match=r"q\.csv has no variant 'x': it has no benchmark\.toml"):
        catalog.load(tmp_path / "q.csv", variant="x")


def test_a_file_of_questions_has_the_variants_of_its_benchmark(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text("[variants.short]\nmax_tokens = 3\n")
    (tmp_path / "q.csv").write_text("question,A,B,answer\nq?,x,y,A\n")
    for place in (tmp_path, tmp_path / "q.csv"):
        assert catalog.load(place, variant="short").max_tokens == 3
        assert catalog.load(place).max_tokens == 1024


def test_the_table_itself_is_unchanged(tmp_path: Path) -> None:
    table = tomllib.loads(BASE + "[variants.x.prompts.generate]\nuser = 'b'\n")
    before = tomllib.loads(BASE + "[variants.x.prompts.generate]\nuser = 'b'\n")
    merged = variants.apply(table, "x", tmp_path / "benchmark.toml")
    assert table == before
    assert merged["prompts"] == {"generate": {"user": "b", "system": "Be brief."}}
    assert "variants" not in merged


def test_the_schema_of_a_variant_has_the_keys_of_the_benchmark() -> None:
    properties = schema()["properties"]["variants"]["additionalProperties"]["properties"]
    assert set(properties) == set(by_key(options_of(Benchmark))) - {"name", "variants"}
    assert "required" not in properties["data"]["properties"]["hub"]
    assert schema()["properties"]["data"]["properties"]["hub"]["required"] == ["repo"]
