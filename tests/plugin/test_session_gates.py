"""Gates on files of one's own, whose rows name their subjects."""

from __future__ import annotations

import pytest

from tests.support.tiny_benchmark import results
from tests.support.workers import WORKERS

ROWS = "question,A,B,answer,subject\nq1,x,y,A,hist\nq2,x,y,B,hist\nq3,x,y,A,geo\n"
MINE = ("--llm-model=echo", "--llm-benchmark=mine.csv")


@pytest.fixture(autouse=True)
def mine(pytester: pytest.Pytester) -> None:
    (pytester.path / "mine.csv").write_text(ROWS)


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_subject_of_the_rows(pytester: pytest.Pytester, xdist: str) -> None:
    gates = ("--llm-fail-under=mine:hist=0.4", "--llm-fail-under=mine:geo=100%", "--llm-fail-under=mine=0.6")
    assert pytester.runpytest(*MINE, *gates, xdist).ret == 0
    assert [gate["verdict"] for gate in results(pytester)["gates"]] == ["pass"] * 3
    assert pytester.runpytest(*MINE, "--llm-fail-under=mine:hist=0.6", xdist).ret == 1
    assert results(pytester)["gates"][0]["value"] == 0.5


@pytest.mark.parametrize("selection", [("--llm-limit=1",), ("-k", "hist")], ids=["limit", "keyword"])
def test_a_part_of_the_file_is_incomplete(pytester: pytest.Pytester, selection: tuple[str, ...]) -> None:
    assert pytester.runpytest(*MINE, "--llm-fail-under=mine=0.1", *selection).ret == 1
    (gate,) = results(pytester)["gates"]
    assert (gate["verdict"], "of 3 questions were asked" in gate["reason"]) == ("incomplete", True)
    assert pytester.runpytest(*MINE, "--llm-fail-under=mine=0.1", "--llm-gate-partial", *selection).ret == 0


def test_a_subject_that_no_row_names(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest(*MINE, "--llm-fail-under=mine:hsit=0.4")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: unknown group or subject of mine 'hsit'*did you mean 'hist'?"])


def test_a_gate_on_a_benchmark_without_data_is_no_reason_to_download_it(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("far")
    (folder / "benchmark.toml").write_text(
        "[data]\npaths = ['far.csv']\nsubject = 'subject'\n"
        "[data.hub]\nrepo = 'nobody/nothing'\nfile = 'far.csv'\n"
        "[prompts.generate]\nuser = '{{ question }}'\n"
    )
    (pytester.path / "llmeval.toml").write_text('[gates]\n"far:hist" = 0.5\n')
    assert pytester.runpytest(*MINE).ret == 0
    assert results(pytester)["gates"][0]["verdict"] == "not_run"
