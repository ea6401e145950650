"""What a benchmark's own protocol says: order of choices, repeats, version and source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.analysis.conditions import EvalConditions
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

TOML = """
name = "{name}"
shots = 0
{keys}
[data]
paths = ["q.jsonl"]
choice_list = "options"
"""
PROTOCOL = 'protocol = {source = "lm-eval", file = "x.yaml", commit = "0.4.13"}'


def write_toml(place: Path, keys: str) -> None:
    (place / "benchmark.toml").write_text(TOML.format(name=place.name, keys=keys))


def folder(pytester: pytest.Pytester, name: str, keys: str = "") -> Path:
    place = pytester.path / name
    place.mkdir(parents=True)
    write_toml(place, keys)
    rows = [{"question": f"q{n}", "options": ["w", "x", "y", "z"], "answer": "A"} for n in range(6)]
    (place / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return place


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest(*args, "--llm-no-cache")


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_benchmark_shuffles_its_choices_and_another_does_not(pytester: pytest.Pytester, xdist: str) -> None:
    shuffling = folder(pytester, "s", "shuffle_choices = 3")
    both = [f"--llm-benchmark={shuffling}", f"--llm-benchmark={folder(pytester, 'p')}"]
    run(pytester, "--llm-model=echo", *both, xdist)
    before = {line["id"]: line for line in questions(pytester)}
    lines = [before[f"s/s/{number}"] for number in range(6)]
    assert all(sorted(line["order"]) == ["A", "B", "C", "D"] for line in lines)
    assert len({tuple(line["order"]) for line in lines}) > 1
    assert [line["answer"] for line in lines] == [line["order"][0] for line in lines]
    assert "order" not in before["p/p/0"]
    seeds = {result["benchmark"]: result["shuffle_choices"] for result in results(pytester)["results"]}
    assert seeds == {"s": 3, "p": None}
    run(pytester, "--llm-replay=latest", *both, xdist)
    after = {line["id"]: line["answer"] for line in questions(pytester)}
    assert after == {id: line["answer"] for id, line in before.items()}
    write_toml(shuffling, "shuffle_choices = 4")  # a replay keeps the order of its run
    run(pytester, "--llm-replay=latest", *both)
    assert {line["id"]: line["answer"] for line in questions(pytester)} == after
    write_toml(pytester.path / "p", "shuffle_choices = 4")
    refused = run(pytester, "--llm-replay=latest", *both)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*asked p with choices in another order: shuffle_choices was None, now 4*"])
    run(pytester, "--llm-model=echo", both[0], "--llm-shuffle-choices=9")
    assert results(pytester)["results"][0]["shuffle_choices"] == 9


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_benchmark_repeats_its_questions(pytester: pytest.Pytester, xdist: str) -> None:
    repeating = folder(pytester, "r", "repeats = 3")
    both = [f"--llm-benchmark={repeating}", f"--llm-benchmark={folder(pytester, 'p')}"]
    sampled = ("--llm-model=echo", "--llm-temperature=0.7")
    done = run(pytester, *sampled, *both, "--llm-fail-under=0.5", xdist)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*r asks each question 3 times*"])
    found = {result["benchmark"]: result for result in results(pytester)["results"]}
    assert (found["r"]["counts"]["correct"], found["p"]["counts"]["correct"]) == (18, 6)
    assert found["r"]["repeats"]["times"] == 3 and found["p"]["repeats"] is None
    assert results(pytester)["run"]["complete"]
    assert {gate["verdict"] for gate in results(pytester)["gates"]} == {"pass"}
    assert run(pytester, "--llm-replay=latest", *both, xdist).ret == 0
    replayed = {result["benchmark"]: result for result in results(pytester)["results"]}
    assert {name: result["counts"] for name, result in replayed.items()} == {
        name: result["counts"] for name, result in found.items()
    }


def test_without_sampling_a_question_is_asked_once(pytester: pytest.Pytester) -> None:
    benchmark = f"--llm-benchmark={folder(pytester, 'r', 'repeats = 3')}"
    done = run(pytester, "--llm-model=echo", benchmark)
    done.stdout.fnmatch_lines(["*its protocol samples 3 answers to each question; at temperature 0*once*"])
    assert results(pytester)["results"][0]["repeats"] is None


def test_what_the_user_says_about_repeats_wins(pytester: pytest.Pytester) -> None:
    benchmark = f"--llm-benchmark={folder(pytester, 'r', 'repeats = 3')}"
    run(pytester, "--llm-model=echo", benchmark, "--llm-repeats=1")
    assert results(pytester)["results"][0]["repeats"] is None
    run(pytester, "--llm-model=echo", benchmark, "--llm-mode=logprob")
    assert results(pytester)["results"][0]["repeats"] is None
    (pytester.path / "llmeval.toml").write_text("repeats = 2\n")
    run(pytester, "--llm-model=echo", benchmark)
    assert results(pytester)["results"][0]["repeats"]["times"] == 2


def test_the_version_and_the_protocol_are_part_of_the_results(pytester: pytest.Pytester) -> None:
    place = folder(pytester, "v", PROTOCOL)
    benchmark = f"--llm-benchmark={place}"
    run(pytester, "--llm-model=echo", benchmark, "--llm-run-name=first")
    (result,) = results(pytester)["results"]
    assert result["version"] == 1
    assert result["protocol"] == {"source": "lm-eval", "file": "x.yaml", "commit": "0.4.13"}
    write_toml(place, "version = 2")
    refused = run(pytester, "--llm-model=echo", benchmark, "--llm-baseline=first")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*version 1 of the benchmark then, 2 now*"])


def test_runs_without_a_version_have_the_first() -> None:
    plain = EvalConditions("generate", "test", 0, prompt_sha256="", data_sha256="")
    content = plain.to_json()
    del content["version"]
    assert EvalConditions.from_json(content) == plain
    assert EvalConditions.from_json({**content, "version": 3}).version == 3


def test_the_list_shows_version_protocol_and_repeats(pytester: pytest.Pytester) -> None:
    keys = f'version = 2\nrepeats = 4\nsummary = "Sums"\nnotes = ["One is wrong."]\n{PROTOCOL}'
    folder(pytester, "benchmarks/v", keys)
    listed = pytester.runpytest("--llm-list=protocol lm-eval")
    listed.stdout.fnmatch_lines(
        [
            "*version 2; protocol lm-eval; 4 repeats*",
            "      asks: Sums",
            "      protocol: lm-eval at 0.4.13, x.yaml",
            "      note: One is wrong.",
        ]
    )
