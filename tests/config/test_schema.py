"""The JSON Schemas for editors: shipped as generated, and of one mind with the readers of both files."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_llmeval.__main__ import schema
from pytest_llmeval.config.file import parse_file
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.spec import parse
from tests.support.paths import BENCHMARKS, DOCS, PACKAGE, ROOT
from tests.support.tiny_benchmark import TOML

FILES = ("llmeval", "benchmark")


def validator(file: str) -> jsonschema.Draft202012Validator:
    content = json.loads(schema(file))
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


def examples(language: str = "toml") -> list[str]:
    """The config files that README and docs show."""
    texts = [path.read_text("utf-8") for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))]
    blocks = [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.S)]
    return [block for block in blocks if re.search(r"^\[(models|runs|gates|judge)", block, re.M)]


@pytest.mark.parametrize("file", FILES)
def test_the_shipped_schema_is_the_generated_one(file: str) -> None:
    shipped = (PACKAGE / "schemas" / f"{file}.schema.json").read_text("utf-8")
    assert shipped == schema(file) + "\n", f"run: python -m pytest_llmeval schema {file}"


@pytest.mark.parametrize(
    "path", sorted(BENCHMARKS.glob("*/benchmark.toml")), ids=lambda path: path.parent.name
)
def test_packaged_benchmarks_are_valid(path: Path) -> None:
    validator("benchmark").validate(tomllib.loads(path.read_text("utf-8")))


def test_a_benchmark_of_the_tests_is_valid() -> None:
    validator("benchmark").validate(tomllib.loads(TOML))


@pytest.mark.parametrize("text", examples())
def test_the_config_files_in_the_docs_are_valid(text: str) -> None:
    validator("llmeval").validate(tomllib.loads(text))


def test_there_are_examples() -> None:
    assert examples()


@pytest.mark.parametrize(
    "text",
    [
        "limt = 3",
        "limit = true",
        "limit = []",
        "shots = -1",
        'mode = "generat"',
        "strict = 1",
        "temperature = -0.5",
        "[models.m]\nbackend = 3",
        '[models.m]\nbackend = "hf"\npath = "/m"\nunknown = 1',
        '[models.m]\nbackend = "openai"\nrate = 0',
        '[models.m]\nbackend = "openai"\nheaders = {a = 1}',
        "[runs.r]\nmodels = 3",
        "[runs.r]\nlimt = 3",
        "[gates]\nceval = true",
        "[judge]\nprice_in = -1",
    ],
)
def test_what_the_schema_of_llmeval_toml_rejects_we_reject(text: str) -> None:
    table: dict[str, Any] = tomllib.loads(text)
    assert list(validator("llmeval").iter_errors(table))
    with pytest.raises(UserError):
        file = parse_file(table, "llmeval.toml")
        from pytest_llmeval.analysis.gate_expressions import from_table

        from_table(file.gates)


@pytest.mark.parametrize(
    "text",
    [
        "titel = 'x'",
        "shots = -1",
        "shots = '5'",
        "name = 'a b'",
        "[data]\nformat = 'xml'",
        "[data]\nids = 'roman'",
        "[data]\nunknown = 1",
        "[data.hub]\nrepo = 'a/b'",
        "[subjects]\n'a b' = {}",
        "[subjects]\nlaw = {names = 'Law'}",
        "[prompts.generate]\nusr = ''",
        "[metric]\nname = 'exact'\nthreshold = 2",
        "metric = 3",
    ],
)
def test_what_the_schema_of_benchmark_toml_rejects_we_reject(text: str, tmp_path: Path) -> None:
    table: dict[str, Any] = tomllib.loads(text)
    assert list(validator("benchmark").iter_errors(table))
    with pytest.raises(UserError) as caught:
        parse(table, tmp_path / "benchmark.toml")
    assert "\n" not in str(caught.value)
