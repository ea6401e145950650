"""Parts and variants of benchmarks on the command line: ``--llm-benchmark=NAME@VARIANT:PART``."""

from __future__ import annotations

import json

import pytest

from pytest_llmeval.results.rerun import Rerun
from tests.support.tiny_benchmark import questions, results
from tests.support.tiny_variants import ECHO, write_variants
from tests.support.workers import WORKERS


@pytest.fixture(autouse=True)
def tiny(pytester: pytest.Pytester) -> None:
    write_variants(pytester.path / "tiny")


def asked(pytester: pytest.Pytester) -> list[str]:
    return [row["id"] for row in questions(pytester)]


BIRDS, LOGIC = ([f"tiny/{subject}/{row}" for row in range(4)] for subject in ("birds", "logic"))


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (("tiny:logic",), LOGIC),
        (("tiny:nature",), BIRDS),
        (("tiny:hard", "tiny:logic"), LOGIC),
        (("tiny:hard", "tiny:birds"), BIRDS + LOGIC),
        (("tiny:hard", "tiny"), BIRDS + LOGIC),
    ],
)
def test_a_part_is_asked_under_the_name_of_the_benchmark(
    pytester: pytest.Pytester, names: tuple[str, ...], ids: list[str], xdist: str
) -> None:
    done = pytester.runpytest(*ECHO, *(f"--llm-benchmark={name}" for name in names), xdist)
    assert done.ret == 0
    assert asked(pytester) == ids
    (result,) = results(pytester)["results"]
    assert (result["benchmark"], result["planned"]) == ("tiny", len(ids))


def test_an_unknown_part(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest(*ECHO, "--llm-benchmark=tiny:logik")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: unknown group or subject of tiny 'logik'; did you mean 'logic'?"])
    done = pytester.runpytest(*ECHO, "--llm-benchmark=tiny:")
    done.stderr.fnmatch_lines(["ERROR: --llm-benchmark=tiny:*the part is missing*"])


def test_a_subject_that_only_rows_name(pytester: pytest.Pytester) -> None:
    (pytester.path / "q@1:2.csv").write_text("question,A,B,answer,subject\nq?,x,y,A,hist\nr?,x,y,B,geo\n")
    assert pytester.runpytest(*ECHO, "--llm-benchmark=q@1:2.csv:geo").ret == 0
    assert asked(pytester) == ["q_1_2/geo/1"]
    assert pytester.runpytest(*ECHO, "--llm-benchmark=q@1:2.csv:geology").ret == 4


@pytest.mark.parametrize(
    ("gate", "verdict", "code"),
    [("tiny:hard=0.5", "pass", 0), ("tiny:hard=0.6", "fail", 1), ("tiny=0.1", "incomplete", 1)],
)
def test_gates_on_what_a_part_covers(pytester: pytest.Pytester, gate: str, verdict: str, code: int) -> None:
    done = pytester.runpytest(*ECHO, "--llm-benchmark=tiny:hard", f"--llm-fail-under={gate}")
    assert (done.ret, results(pytester)["gates"][0]["verdict"]) == (code, verdict)
    if verdict == "incomplete":
        partial = pytester.runpytest(
            *ECHO, "--llm-benchmark=tiny:hard", f"--llm-fail-under={gate}", "--llm-gate-partial"
        )
        assert partial.ret == 0


@pytest.mark.parametrize("xdist", WORKERS)
def test_variants_are_benchmarks_of_their_own(pytester: pytest.Pytester, xdist: str) -> None:
    names = ("tiny@bare:hard", "tiny", "tiny@length")
    gates = ("--llm-fail-under=tiny@bare:hard=0.3@50%", "--llm-fail-under=tiny@length=0.1")
    options = [f"--llm-benchmark={name}" for name in names]
    (pytester.path / "llmeval.toml").write_text(
        '[gates]\n"tiny@bare:logic" = 0.9\n"tiny@length" = "1%@90%"\n'
    )
    done = pytester.runpytest(*ECHO, *options, *gates, xdist, "-v")
    bare = [id.replace("tiny/", "tiny@bare/") for id in LOGIC]
    length = [id.replace("tiny/", "tiny@length/") for id in BIRDS + LOGIC]
    assert asked(pytester) == bare + BIRDS + LOGIC + length
    content = results(pytester)
    named = {result["benchmark"]: result for result in content["results"]}
    assert list(named) == ["tiny@bare", "tiny", "tiny@length"]
    assert [named[name]["shots"] for name in named] == [0, 1, 1]
    assert named["tiny@length"]["metric"] == "exact"
    assert named["tiny@length"]["prompt_sha256"] == named["tiny"]["prompt_sha256"]
    assert [gate["verdict"] for gate in content["gates"]] == ["pass", "pass", "fail", "pass"]
    assert done.ret == 1
    done.stdout.fnmatch_lines_random(["*test_tiny[[]bare-logic-0]*", "*test_tiny[[]birds-0]*"])


def test_a_variant_runs_only_if_it_is_named(pytester: pytest.Pytester) -> None:
    (pytester.path / "tiny/test_tiny.py").write_text(
        "import pytest\n\n@pytest.mark.llmeval('tiny')\n"
        "def test_tiny(question, llm):\n    assert llm.answer(question) == question.answer\n"
    )
    assert pytester.runpytest(*ECHO, "-k", "tiny").ret == 0
    assert asked(pytester) == BIRDS + LOGIC
    assert pytester.runpytest(*ECHO, "--llm-benchmark=tiny@bare", "-k", "[bare-birds-0]").ret == 0
    assert asked(pytester) == ["tiny@bare/birds/0"]
    assert pytester.runpytest(*ECHO, "--llm-benchmark=tiny@bare", "-k", "[birds-0]").ret == 5


@pytest.mark.parametrize("marker", ["tiny@bare:logic", "tiny:logic", "tiny@bare"])
def test_a_marker_may_name_a_variant_and_a_part(pytester: pytest.Pytester, marker: str) -> None:
    (pytester.path / "tiny/test_tiny.py").write_text(
        f"import pytest\n\n@pytest.mark.llmeval({marker!r})\n"
        "def test_tiny(question, llm):\n    assert llm.correct(question)\n"
    )
    assert pytester.runpytest(*ECHO, "tiny").ret == 0
    ids = LOGIC if marker.endswith("logic") else BIRDS + LOGIC
    assert asked(pytester) == [id.replace("tiny", marker.partition(":")[0]) for id in ids]


def test_a_baseline_has_the_same_part(pytester: pytest.Pytester) -> None:
    run = (*ECHO, "--llm-benchmark=tiny@bare:hard")
    assert pytester.runpytest(*run, "--llm-run-name=before").ret == 0
    done = pytester.runpytest(*run, "--llm-baseline=before", "--llm-max-drop=tiny@bare:hard=0.01")
    assert done.ret == 0
    assert results(pytester)["comparisons"][0]["benchmark"] == "tiny@bare"
    assert pytester.runpytest(*ECHO, "--llm-benchmark=tiny", "--llm-baseline=before").ret == 4


def test_a_replay_and_the_command_for_one_question(pytester: pytest.Pytester) -> None:
    names = ("--llm-benchmark=tiny@bare:hard", "--llm-benchmark=tiny@bare:nature")
    assert pytester.runpytest(*ECHO, *names, "--llm-run-name=first").ret == 0
    first = [(row["id"], row["outcome"]) for row in questions(pytester)]
    rerun = Rerun({"model": ["echo"]}, {"echo": "echo"}, {"tiny@bare": "tiny/@bare"})
    assert rerun.selector("tiny@bare", "echo", "bare-logic-0", "x") == '-k "[bare-logic-0]"'
    replay = pytester.runpytest("--llm-replay=first", "--llm-benchmark=tiny@bare:hard")
    assert replay.ret == 0
    assert [(row["id"], row["outcome"]) for row in questions(pytester)] == first[4:]


def test_runs_and_prompts(pytester: pytest.Pytester) -> None:
    toml = '[runs.hard]\nmodels = ["echo"]\nbenchmarks = ["tiny@bare:hard"]\n'
    (pytester.path / "llmeval.toml").write_text(toml)
    assert pytester.runpytest("--llm-run=hard", "--llm-cache-dir=cache").ret == 0
    assert asked(pytester) == [id.replace("tiny", "tiny@bare") for id in LOGIC]
    done = pytester.runpytest("--llm-benchmark=tiny@bare:hard", "--llm-show-prompts", "--llm-limit=1")
    done.stdout.fnmatch_lines(["=== tiny@bare/logic/0", "[[]user]", "logic val 0?", "1 prompt; *"])


def test_the_list_has_variants(pytester: pytest.Pytester) -> None:
    write_variants(pytester.path / "benchmarks/tiny")
    lines = pytester.runpytest("--llm-list=tiny").stdout
    lines.fnmatch_lines(["*tiny  *Tiny: 2 subjects*", "*tiny@bare  *Tiny (bare)*", "*tiny@length *"])


def test_the_sets_are_json_safe(pytester: pytest.Pytester) -> None:
    assert pytester.runpytest(*ECHO, "--llm-benchmark=tiny@bare", "--llm-plot", "--llm-badge").ret == 0
    text = (pytester.path / "reports/latest/results.json").read_text("utf-8")
    assert json.loads(text)["results"][0]["benchmark"] == "tiny@bare"
    assert len(list((pytester.path / "reports/latest/plots").glob("*.svg"))) > 0
