"""``--llm-model=openai:`` alone: results are named after the model that the server has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.models.openai.found_names import with_found_names
from tests.support.api_server import Reply, Server, error, models
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS


def unnamed(url: str) -> ModelConfig:
    return ModelConfig("openai", "openai", base_url=url)


def test_the_last_part_of_the_name_is_the_name_in_results(server: Server) -> None:
    server.models = models("Qwen/Qwen3-8B")
    (model,) = with_found_names([unnamed(server.url)])
    assert (model.name, model.target) == ("Qwen3-8B", "Qwen/Qwen3-8B")


def test_a_name_that_another_model_has_gets_the_address(server: Server) -> None:
    server.models = models("Qwen/Qwen3-8B")
    other = ModelConfig("Qwen3-8B", "echo")
    model, kept = with_found_names([unnamed(server.url), other])
    address = server.url.removeprefix("http://").partition("/")[0]
    assert (model.name, kept) == (f"Qwen3-8B@{address}", other)


@pytest.mark.parametrize("reply", [models(), models("a", "b"), error(403, "no")])
def test_a_server_that_names_no_single_model_changes_nothing(server: Server, reply: Reply) -> None:
    server.models = reply
    assert with_found_names([unnamed(server.url)]) == (unnamed(server.url),)


def test_a_named_model_asks_nothing(server: Server) -> None:
    named = ModelConfig("openai", "openai", "m", base_url=server.url)
    of_table = ModelConfig("mine", "openai", base_url=server.url)
    assert with_found_names([named, of_table]) == (named, of_table)


@pytest.mark.parametrize("xdist", WORKERS)
def test_results_and_folder_have_the_found_name(
    pytester: pytest.Pytester, server: Server, xdist: str
) -> None:
    (pytester.path / "q.csv").write_text("question,A,B,answer\none?,a,b,A\n")
    server.models = models("Qwen/Qwen3-8B")
    options = (f"--llm-base-url={server.url}", "--llm-benchmark=q.csv", "--llm-cache-dir=cache", xdist)
    assert pytester.runpytest("--llm-model=openai:", *options).ret == 0
    assert results(pytester)["results"][0]["model"] == "Qwen3-8B"
    assert [asked["model"] for asked in questions(pytester)] == ["Qwen3-8B"]
    assert Path(pytester.path / "reports/latest").resolve().name.endswith("-Qwen3-8B")
    assert {json.dumps(body.get("model")) for body in server.bodies} <= {'"Qwen/Qwen3-8B"', "null"}
