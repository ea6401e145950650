"""What a run leaves for people and machines to look at, from whole runs of pytest."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS


def page(pytester: pytest.Pytester) -> str:
    return (pytester.path / "reports/latest/report.html").read_text("utf-8")


def index(pytester: pytest.Pytester) -> dict:  # type: ignore[type-arg]
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', page(pytester), re.S)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("xdist", WORKERS)
def test_every_run_leaves_a_page(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", xdist)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["results: reports/*", "report: reports/*/report.html"])
    content = page(pytester)
    assert "25.0%" in content and "鸟类" in content
    held = index(pytester)
    assert held["answers"][0]["outcome"] == "cwwwcwww"
    assert held["answers"][0]["answer"] == ["A"] * 8
    assert held["target"] == list("ABCDABCD")


def test_the_command_of_a_question_asks_it_again(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-shots=0", "-k", "birds")
    head = index(pytester)["benchmarks"][0]["commands"][0]
    assert head == "pytest --llm-model=echo --llm-benchmark=tiny --llm-shots=0 --llm-refresh"
    again = shlex.split(f'{head} -k "[birds-2]"')[1:]
    assert pytester.runpytest(*again).ret == 0
    assert [one["id"] for one in questions(pytester)] == ["tiny/birds/2"]


def test_the_command_of_a_question_of_one_s_own_test(pytester: pytest.Pytester, tiny: Path) -> None:
    from pytest_llmeval.results.rerun import Rerun

    (tiny / "test_tiny.py").write_text(
        "import pytest\n@pytest.mark.llmeval('tiny')\ndef test_mine(question, llm):\n"
        "    assert llm.answer(question) == question.answer\n"
    )
    (pytester.path / "llmeval.toml").write_text(
        "[runs.both]\nmodels = ['echo', 'twin']\n[models.twin]\nbackend = 'echo'\n", "utf-8"
    )
    pytester.runpytest("tiny", "--llm-run=both")
    assert len(questions(pytester)) == 16
    one = questions(pytester)[-1]
    assert one["model"] == "twin"
    rerun = Rerun({"run": "both"}, {"echo": "echo", "twin": "twin"}, {}, pytester.path, pytester.path)
    command = f"{rerun.head('tiny', 'twin')} {rerun.selector('tiny', 'twin', 'logic-3', one['nodeid'])}"
    assert index(pytester)["benchmarks"][0]["commands"][1] in command
    assert pytester.runpytest(*shlex.split(command)[1:]).ret == 0
    (again,) = questions(pytester)
    assert (again["id"], again["model"]) == (one["id"], "twin")


def test_a_page_that_cannot_be_written_costs_nothing_else(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makeconftest(
        "import pytest_llmeval.report.html as page\n"
        "def broken(*args, **kwargs): raise RuntimeError('no \\n room')\n"
        "page.write_html = broken\n"
    )
    done = pytester.runpytest_subprocess("--llm-model=echo", "--llm-benchmark=tiny", "--llm-badge")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["llmeval: report.html could not be written: no room"])
    done.stdout.no_fnmatch_line("report: *")
    assert results(pytester)["results"][0]["counts"]["requested"] == 8
    assert (pytester.path / "reports/latest/badge.svg").is_file()


def test_badge_and_plots_where_they_are_wanted(pytester: pytest.Pytester, tiny: Path) -> None:
    (pytester.path / "llmeval.toml").write_text("plot = 'figures'\nbadge = true\n", "utf-8")
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-badge=docs/b.svg")
    assert done.ret == 0
    assert "25.0%" in (pytester.path / "docs/b.svg").read_text("utf-8")
    names = {path.name for path in (pytester.path / "figures").iterdir()}
    assert {"overview.svg", "tiny-subjects.svg", "tiny-groups.svg"} <= names
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny")
    assert (pytester.path / "reports/latest/badge.svg").is_file()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--llm-badge", "tiny"], "*--llm-badge: 'tiny' is not a file name that ends in .svg*"),
        (["--llm-plot", "tiny"], "*--llm-plot=*tiny is not a folder for charts*"),
    ],
)
def test_a_path_that_an_option_would_swallow(
    pytester: pytest.Pytester, tiny: Path, given: list[str], said: str
) -> None:
    (tiny / "test_tiny.py").write_text("def test_it(): pass\n")
    done = pytester.runpytest("--llm-model=echo", *given)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([said])


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_step_s_summary_gets_the_run_once(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch, xdist: str
) -> None:
    step = pytester.path / "step.md"
    step.write_text("before\n", "utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", xdist)
    text = step.read_text("utf-8")
    assert text.startswith("before\n# ")
    assert text.count("mean over questions: 25.0%") == 1


@pytest.mark.parametrize("xdist", WORKERS)
def test_junit_has_a_question_s_properties(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--junitxml=j.xml", xdist)
    cases = list(ElementTree.parse(pytester.path / "j.xml").iter("testcase"))
    assert len(cases) == 8
    found = {}
    for case in cases:
        values = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        assert len(values) == len(list(case.iter("property")))
        assert float(values["llm_latency_s"]) >= 0
        found[values["llm_id"]] = (values["llm_subject"], values["llm_outcome"], values["llm_model"])
    assert found["tiny/birds/0"] == ("birds", "correct", "echo")
    assert found["tiny/logic/3"] == ("logic", "wrong", "echo")
