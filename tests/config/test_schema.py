"""The JSON Schemas that editors use agree with what the package itself accepts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_llmeval import __main__ as command
from pytest_llmeval.config.file import parse_file
from pytest_llmeval.config.schema import schema as llmeval_schema
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.benchmark import schema as benchmark_schema
from pytest_llmeval.suites.catalog import packaged
from pytest_llmeval.suites.spec import FILE_NAME, parse
from tests.support.paths import DOCS, PACKAGE, ROOT
from tests.support.tiny_benchmark import TOML

SCHEMAS = {"llmeval": llmeval_schema, "benchmark": benchmark_schema}


def problems(schema: dict[str, Any], text: str) -> list[str]:
    """What a validator finds wrong with a TOML file."""
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


def refused(name: str, text: str) -> bool:
    """Whether this package refuses a TOML file."""
    try:
        if name == "llmeval":
            parse_file(tomllib.loads(text), "llmeval.toml")
        else:
            parse(tomllib.loads(text), Path("own") / FILE_NAME)
    except UserError:
        return True
    return False


def examples() -> dict[str, str]:
    """Every llmeval.toml that README.md and docs/ show, by file and line; a command or prose ends one."""
    found = {}
    for path in [*sorted(ROOT.glob("README*.md")), *sorted(DOCS.glob("*.md"))]:
        blocks = re.finditer(
            r"(?m)^(?P<indent>(?: {4})?)\[(?:models|judge|runs|gates)\b.*\n"
            r"(?:(?P=indent)(?!pytest |```).*\n|\n(?=(?P=indent)\S))*",
            path.read_text("utf-8"),
        )
        for block in blocks:
            number = block.string.count("\n", 0, block.start()) + 1
            found[f"{path.name}:{number}"] = textwrap.dedent(block.group())
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_shipped_schemas_are_the_generated_ones(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name]())
    assert command.main(["schema", name]) == 0
    shipped = PACKAGE / "schemas" / f"{name}.schema.json"
    assert shipped.read_text("utf-8") == capsys.readouterr().out, (
        f"run: python -m pytest_llmeval schema {name} > {shipped.relative_to(ROOT)}"
    )
    assert json.loads(shipped.read_text("utf-8")) == SCHEMAS[name]()


def test_the_command_needs_no_pytest_session() -> None:
    line = [sys.executable, "-m", "pytest_llmeval", "schema", "llmeval"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout)["title"].startswith("llmeval.toml")


@pytest.mark.parametrize("name", sorted(packaged()))
def test_packaged_benchmarks_are_valid(name: str) -> None:
    text = (packaged()[name] / FILE_NAME).read_text("utf-8")
    assert problems(benchmark_schema(), text) == []


def test_a_benchmark_of_the_tests_is_valid() -> None:
    assert problems(benchmark_schema(), TOML) == []


def test_the_documentation_has_examples() -> None:
    files = {place.partition(":")[0] for place in examples()}
    assert {"tutorial.md", "models.md", "judge.md"} <= files


@pytest.mark.parametrize(("place", "text"), examples().items())
def test_examples_in_the_documentation_are_valid(place: str, text: str) -> None:
    assert problems(llmeval_schema(), text) == []
    parse_file(tomllib.loads(text), place)


#: files that work, in spellings that a schema could easily refuse
GOOD = {
    "llmeval": [
        "",
        "max-tokens = 5\ntokens-per_minute = 6",
        "shots = '5'\nrate = '0.5'\ntemperature = ' 0 '\nlimit = '[0:1]'",
        "temperature = 'none'",
        "models = ['a']\nbenchmark = 'b'\nstop = 'x'",
        "model = 'a'\nbenchmarks = ['b', 'c']",
        "concurrency = 'auto'\nbadge = true\nplot = 'charts'\nmax_drop = 0.1",
        "judge = 'openai:x'",
        "[judge]\nmodel = 'openai:x'\nprice_in = 0\nheaders = {X-A = ''}\napi = 'chat'\nmax_tokens = 5",
        "[models.m]\nbackend = 'theirs'\noptions = {anything = [1]}",
        "[models.m]\nbackend = 'serve'\npreset = 'vllm'\npath = 'w'\nmodel = 'n'\nstart-timeout = 5",
        "[gates]\nceval = 0.5\n'cmmlu:stem' = '40%'",
        "[runs.r]\nmodels = ['a', 'b']\nlimit = 3\nstrict = true",
    ],
    "benchmark": [
        "",
        "stop = 'x'\nmetric = 'exact'",
        "metric = {name = 'rouge_l', threshold = 1, stemmer = true}",
        "[data]\nchoices = []\nmessages = 'm'\n[data.hub]\nrepo = 'a/b'\nfile = 'x.zip'",
        "[subjects]\n'a.b-c' = {}\nx = {zh = '', groups = 'g'}",
    ],
}
#: files that neither the schema nor the package accepts
WRONG = {
    "llmeval": [
        "modell = 1",
        "models = 5",
        "runs = 5",
        "[models.a]\nbackend = 'hf'\nmax_token = 3",
        "[models.a]\npath = 'x'",
        "[models.a]\nbackend = 'openai'\napi_key = 'sk-123'",
        "[models.a]\nbackend = 'hf'\nmax_tokens = 'many'",
        "[runs.a]\nlimits = 3",
        "[gates]\nceval = true",
        "run = 'x'",
        "strict = 'yes'",
        "shots = 1.5",
        "shots = true",
        "limit = 0",
        "top_p = 2",
        "mode = 'gen'",
        "inconclusive = 'maybe'",
        "run_name = 'a/b'",
        "badge = 'a.png'",
        "plot = false",
        "concurrency = 0",
        "judge = ''",
        "[judge]\nbackend = 'hf'",
        "[judge]\nprice_in = -1",
        "[runs]\nr = 5",
        "[gates]\na = []",
        "[models]\na = 'x'",
        "[models.m]\nbackend = ''",
        "[models.m]\nbackend = 'openai'\nheaders = {'X Key' = 'a'}",
        "[models.m]\nbackend = 'openai'\nheaders = {X-Key = 5}",
        "[models.m]\nbackend = 'openai'\nextra_body = {stream = true}",
        "[models.m]\nbackend = 'openai'\napi = 'responses'",
        "[models.m]\nbackend = 'openai'\nlimit = 5",
    ],
    "benchmark": [
        "nmae = 'x'",
        "name = 'a b'",
        "shots = '5'",
        "shots = -1",
        "max_tokens = 0",
        "stop = [1]",
        "metric = 5",
        "metric = {threshold = 0.5}",
        "metric = {name = 'rouge_l', threshold = 2}",
        "[data]\nfomat = 'csv'",
        "[data]\nformat = 'jsnl'",
        "[data]\ninside = 'yes'",
        "[data]\nids = 'numbers'",
        "[data.hub]\nfile = 'f'",
        "[data.hub]\nrepo = 'a/b/c'",
        "[data.hub]\nrepo = 'r'\nsplits = {}",
        "[data.hub]\nrepo = 'r'\nsha256 = { f = 'x' }",
        "[data.hub]\nrepo = 'r'\nconfig = '{split}'",
        "[data.hub]\nrepo = 'r'\nfile = 'f'\nx = 1",
        "[prompts.generat]",
        "[prompts.generate]\nusr = ''",
        "[prompts.logprob]\nuser = ''",
        "[subjects]\nlaw = 'Law'",
        "[subjects]\nlaw = {nam = 'x'}",
        "[subjects]\n'a b' = {}",
        "subjects = ['law']",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in GOOD for text in GOOD[name]])
def test_files_that_work_are_valid(name: str, text: str) -> None:
    assert not refused(name, text)
    assert problems(SCHEMAS[name](), text) == []


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in WRONG for text in WRONG[name]])
def test_what_the_schema_rejects_is_rejected(name: str, text: str) -> None:
    assert problems(SCHEMAS[name](), text)
    assert refused(name, text)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_has_a_description(name: str) -> None:
    schema = SCHEMAS[name]()
    for key, value in {**schema["properties"], **schema.get("$defs", {})}.items():
        assert "$ref" in value or value["description"], key
