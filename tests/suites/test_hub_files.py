"""Which files of a repository hold a split: by the README's metadata, by names, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.suites.hub_files import split_files


def files(
    paths: list[str], split: str, config: str | None = None, *configs: dict[str, Any]
) -> tuple[str, ...]:
    return split_files(paths, configs, config, split)


def problem(paths: list[str], split: str, config: str | None = None, *configs: dict[str, Any]) -> str:
    with pytest.raises(ValueError) as caught:
        split_files(paths, configs, config, split)
    return str(caught.value)


def test_a_split_by_its_name() -> None:
    shards = ["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"]
    paths = ["README.md", *reversed(shards), "data/validation-00000-of-00001.parquet"]
    assert files(paths, "test") == tuple(shards)
    assert files(paths, "validation", "default") == ("data/validation-00000-of-00001.parquet",)
    assert files(["test.jsonl", "test_extra.txt", "latest.jsonl"], "test") == ("test.jsonl",)
    assert files(["dev.csv", "test.csv"], "validation") == ("dev.csv",)  # datasets has the same other names


def test_a_configuration_has_a_folder() -> None:
    paths = ["main/test-00000-of-00001.parquet", "socratic/test-00000-of-00001.parquet"]
    assert files(paths, "test", "main") == ("main/test-00000-of-00001.parquet",)
    assert files(["main/test/0000.parquet", "main/test/0001.parquet"], "test", "main") == (
        "main/test/0000.parquet",
        "main/test/0001.parquet",
    )
    assert problem(paths, "test", "other") == (
        "no files of split 'test' in configuration 'other'; its tables are "
        "main/test-00000-of-00001.parquet, socratic/test-00000-of-00001.parquet"
    )


def test_the_readme_names_files() -> None:
    en = {"config_name": "en", "data_files": [{"split": "test", "path": "tsv/en-*.tsv"}]}
    both = [{"split": "train", "path": ["a/*.csv", "b/x.csv"]}, {"split": "test", "path": "c/**/*.csv"}]
    zh = {"config_name": "zh", "data_files": both}
    paths = ["tsv/en-1.tsv", "tsv/zh-1.tsv", "a/1.csv", "a/b/2.csv", "b/x.csv", "c/3.csv", "c/d/e/4.csv"]
    assert files(paths, "test", "en", en, zh) == ("tsv/en-1.tsv",)
    assert files(paths, "train", "zh", en, zh) == ("a/1.csv", "b/x.csv")
    assert files(paths, "test", "zh", en, zh) == ("c/3.csv", "c/d/e/4.csv")
    assert problem(paths, "test", "fr", en, zh) == "it has no configuration 'fr'; there are en, zh"
    assert problem(paths, "dev", "en", en, zh).startswith(
        "no files of split 'dev' in configuration 'en'; its "
    )


def test_one_pattern_is_the_train_split() -> None:
    entry = {"config_name": "diamond", "data_files": "gpqa_diamond.csv"}
    assert files(["gpqa_diamond.csv", "gpqa_main.csv"], "train", "diamond", entry) == ("gpqa_diamond.csv",)
    assert "no files of split 'test'" in problem(["gpqa_diamond.csv"], "test", "diamond", entry)


def test_without_any_split_all_files_are_of_the_train_split() -> None:
    assert files(["ifeval_input_data.jsonl"], "train") == ("ifeval_input_data.jsonl",)
    assert "no files of split 'test'" in problem(["ifeval_input_data.jsonl"], "test")
    assert "no files of split 'train'" in problem(["test.jsonl", "more.jsonl"], "train")


def test_the_default_configuration() -> None:
    one = {"config_name": "a", "data_files": "a.csv"}
    two = {"config_name": "b", "data_files": "b.csv"}
    assert files(["a.csv", "b.csv"], "train", None, one) == ("a.csv",)
    assert files(["a.csv", "b.csv"], "train", None, one, {**two, "default": True}) == ("b.csv",)
    assert files(["a.csv", "b.csv"], "train", None, one, {**two, "config_name": "default"}) == ("b.csv",)
    assert problem(["a.csv", "b.csv"], "train", None, one, two) == (
        "it has several configurations (a, b); name one of them as config"
    )


def test_a_folder_of_the_metadata() -> None:
    entry = {"config_name": "x", "data_dir": "some/where"}
    assert files(["some/where/test.csv", "x/test.csv"], "test", "x", entry) == ("some/where/test.csv",)


def test_parquet_is_preferred() -> None:
    assert files(["test.csv", "test.jsonl.gz", "test.parquet"], "test") == ("test.parquet",)
    assert files(["test.csv", "test.jsonl.gz"], "test") == ("test.jsonl.gz",)


def test_no_tables() -> None:
    assert problem(["data.zip", "script.py"], "test") == (
        "no files of split 'test'; it has no tables (parquet, jsonl, json, csv, tsv)"
    )


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=10), st.text(max_size=20))
def test_hostile_metadata(paths: list[str], split: str, pattern: str) -> None:
    """Nothing but files of the repository is ever named, whatever patterns are in the README."""
    for data_files in (pattern, [pattern], {"path": pattern}, [{"split": split, "path": [pattern, 3]}]):
        try:
            found = split_files(paths, [{"data_files": data_files}], None, split)
        except ValueError:
            continue
        assert found and set(found) <= set(paths)
