"""A run against an earlier one, as users run it: pytest in pytest, with and without xdist."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import TOML, results
from tests.support.workers import WORKERS

ECHO = ("--llm-model=echo", "--llm-benchmark=tiny")


@pytest.fixture
def base(pytester: pytest.Pytester, tiny: Path) -> Path:
    """A run called base, in which other questions were right: of birds the first two, of logic none."""
    pytester.runpytest(*ECHO, "--llm-run-name=base")
    folder = pytester.path / "reports/base"
    edit(folder, {"tiny/birds/0": "correct", "tiny/birds/1": "correct", "tiny/logic/0": "wrong"})
    return folder


def edit(folder: Path, outcomes: dict[str, str]) -> None:
    """Give questions of a finished run other outcomes."""
    path = folder / "questions.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        row["outcome"] = outcomes.get(row["id"], row["outcome"])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def one_error(done: pytest.RunResult) -> str:
    assert done.ret == 4
    (line,) = [line for line in (done.errlines + done.outlines) if line.startswith("ERROR")]
    assert "Traceback" not in str(done.stdout) + str(done.stderr)
    return line


@pytest.mark.parametrize(
    ("given", "xdist"),
    [
        ("base", "-n0"),
        ("latest", "-n2"),
        ("reports/base", "-n0"),
        ("reports/base/results.json", "-n2"),
        ("base::echo", "-n0"),
    ],
)
def test_what_changed(pytester: pytest.Pytester, base: Path, given: str, xdist: str) -> None:
    done = pytester.runpytest(*ECHO, f"--llm-baseline={given}", xdist)
    assert done.ret == 0
    done.stdout.fnmatch_lines(
        [
            "tiny: echo, against base",
            "nature * 4 * 25.0% * -25.0 *",
            "*birds * 0 * 1 * 1.000",
            "mean over questions * 8 * 25.0% * 0.0 *",
            "broken: 1 question",
            "  tiny/benchmark.toml::test_tiny[[]birds-1]",
            "fixed: 1 question",
            "  tiny/benchmark.toml::test_tiny[[]logic-0]",
        ]
    )
    (found,) = results(pytester)["comparisons"]
    assert (found["pairs"], found["fixed"], found["broken"], found["change"], found["p"]) == (
        8,
        1,
        1,
        0.0,
        1.0,
    )
    assert found["baseline"]["run"] == "base" and found["subjects"]["birds"]["change"] == -0.25
    assert [one["id"] for one in found["broken_questions"]] == ["tiny/birds/1"]
    text = (pytester.path / "reports/latest/summary.md").read_text("utf-8")
    assert "## tiny: echo, against base" in text and "- broken: 1 (" in text


@pytest.mark.parametrize("xdist", WORKERS)
def test_gates_against_the_baseline(pytester: pytest.Pytester, base: Path, xdist: str) -> None:
    drop = (
        "--llm-baseline=base",
        "--llm-max-drop=0.9",
        "--llm-max-drop=tiny=2%",
        "--llm-max-drop=tiny:birds=0.2",
    )
    done = pytester.runpytest(*ECHO, *drop, xdist)
    assert done.ret == 0
    done.stdout.fnmatch_lines(
        [
            "gate max-drop 0.9: PASS*a drop of more than 90 points is excluded",
            "gate max-drop tiny=2%: INCONCLUSIVE*about * questions would decide",
            "gate max-drop tiny:birds=0.2: INCONCLUSIVE*over 4 questions*",
        ]
    )
    gates = results(pytester)["gates"]
    assert [gate["verdict"] for gate in gates] == ["pass", "inconclusive", "inconclusive"]
    assert gates[1]["needed"] > 8 and gates[1]["interval"][0] < 0 < gates[1]["interval"][1]
    assert pytester.runpytest(*ECHO, *drop, "--llm-inconclusive=fail", xdist).ret == 1


def test_a_drop_that_the_data_show_fails(pytester: pytest.Pytester, base: Path) -> None:
    ids = [f"tiny/{subject}/{number}" for subject in ("birds", "logic") for number in range(4)]
    edit(base, dict.fromkeys(ids, "correct"))
    done = pytester.runpytest(*ECHO, "--llm-baseline=base", "--llm-max-drop=0.1")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["gate max-drop 0.1: FAIL*-75.00 points over 8 questions*is shown"])


def test_settings_of_the_file(pytester: pytest.Pytester, base: Path) -> None:
    (pytester.path / "llmeval.toml").write_text(
        'baseline = "base"\nmax_drop = 0.02\ninconclusive = "fail"\n[gates]\n"tiny" = "0.05@80%"\n', "utf-8"
    )
    done = pytester.runpytest(*ECHO)
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        [
            "gate tiny=0.05@80%: PASS*the lower end of the 80% interval of 25.0% (2 of 8), is at least 5%",
            "gate max-drop 0.02: INCONCLUSIVE*",
        ]
    )


def test_a_file_s_baseline_can_be_taken_back(pytester: pytest.Pytester, tiny: Path) -> None:
    (pytester.path / "llmeval.toml").write_text('baseline = "latest"\nmax_drop = 0.02\n', "utf-8")
    assert "--llm-baseline=latest: not a run" in one_error(pytester.runpytest(*ECHO))
    done = pytester.runpytest(*ECHO, "--llm-baseline=none")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["gate max-drop 0.02: NOT RUN: no baseline was given"])
    assert pytester.runpytest(*ECHO).ret == 0


def test_lower_bounds(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest(
        *ECHO, "--llm-fail-under=tiny>=0.2", "--llm-fail-under=tiny>=0.2@95%", "--llm-fail-under=0.05@0.95"
    )
    assert done.ret == 1
    verdicts = [(gate["expr"], gate["verdict"]) for gate in results(pytester)["gates"]]
    assert verdicts == [("tiny>=0.2", "pass"), ("tiny>=0.2@95%", "fail"), ("0.05@0.95", "pass")]
    # the value is the end of the interval that the table shows
    found = results(pytester)
    assert found["gates"][1]["value"] == pytest.approx(found["results"][0]["interval"][0], rel=1e-12)


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--llm-shots=0",), "tiny cannot be compared with base: 1 shots then, 0 now"),
        (("--llm-split=dev", "--llm-shots=0"), "1 shots then, 0 now; split val then, dev now"),
    ],
)
def test_what_is_not_comparable_is_refused_before_anything_is_asked(
    pytester: pytest.Pytester, base: Path, args: tuple[str, ...], says: str, xdist: str
) -> None:
    (pytester.path / "tiny/benchmark.toml").write_text(
        TOML.replace('split = "val"', 'split = "val"\nsplits = ["val", "dev"]'), "utf-8"
    )
    done = pytester.runpytest(*ECHO, "--llm-baseline=base", xdist, *args)
    assert says in one_error(done)
    assert "--llm-baseline-force" in one_error(done)
    assert [path.name for path in (pytester.path / "reports").iterdir() if not path.is_symlink()] == ["base"]
    done = pytester.runpytest(*ECHO, "--llm-baseline=base", "--llm-baseline-force", *args)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["NOT COMPARABLE, compared anyway: *shots then*"])


@pytest.mark.parametrize("what", ["prompt", "data"])
def test_changed_prompts_and_data_are_refused(pytester: pytest.Pytester, base: Path, what: str) -> None:
    if what == "prompt":
        (pytester.path / "tiny/benchmark.toml").write_text(TOML.replace("Answer:", "Your answer:"), "utf-8")
    else:
        file = pytester.path / "tiny/data/val/birds_val.csv"
        file.write_text(file.read_text("utf-8").replace("one,two", "one,too"), "utf-8")
    assert f"different {what}" in one_error(pytester.runpytest(*ECHO, "--llm-baseline=base"))


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('extractor = "text"', "extractor choice then, text now"),
        ('metric = "exact"\nextractor = "choice"', "metric choice then, exact now"),
        ("metric = {name = 'choice', threshold = 0.9}", "metric.threshold 1.0 then, 0.9 now"),
    ],
)
def test_changed_scoring_is_refused_until_the_baseline_is_scored_anew(
    pytester: pytest.Pytester, base: Path, line: str, says: str, xdist: str
) -> None:
    (pytester.path / "tiny/benchmark.toml").write_text(TOML.replace("[data]", f"{line}\n[data]", 1), "utf-8")
    told = one_error(pytester.runpytest(*ECHO, "--llm-baseline=base", xdist))
    assert f"tiny cannot be compared with base: {says} (--llm-replay=base scores its answers again" in told
    done = pytester.runpytest(*ECHO, "--llm-baseline=base", "--llm-baseline-force", xdist)
    done.stdout.fnmatch_lines([f"NOT COMPARABLE, compared anyway: {says}"])
    done = pytester.runpytest("--llm-replay=base", "--llm-run-name=anew", xdist)
    done.stdout.fnmatch_lines([f"llmeval: tiny: not scored as in base: {says}"])
    assert pytester.runpytest(*ECHO, "--llm-baseline=anew", xdist).ret == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--llm-max-drop=0.02",), "name one with --llm-baseline=RUN"),
        (("--llm-baseline=nowhere",), "--llm-baseline=nowhere: not a run"),
        (("--llm-baseline=base::gpt",), "has no model 'gpt'; it has echo"),
        (("--llm-baseline=torn",), "is it a finished run?"),
        (("--llm-baseline=base", "--llm-max-drop=2"), "a drop is at most 1 (100%); for percent write 2%"),
        (("--llm-baseline=base", "--llm-max-drop=a lot"), "the threshold is missing"),
        (("--llm-baseline=base", "--llm-max-drop=tiny=0.02@95%"), "is not a drop"),
        (("--llm-baseline=base", "--llm-max-drop=tiny:bords=2%"), "did you mean 'birds'?"),
        (("--llm-baseline=base", "--llm-inconclusive=warn"), "is not pass or fail"),
        (("--llm-fail-under=0.5@5%",), "'5%' is not a level of an interval"),
        (("--llm-fail-under=0.5@",), "'' is not a level of an interval"),
    ],
)
def test_mistakes_are_one_line(
    pytester: pytest.Pytester, base: Path, args: tuple[str, ...], says: str
) -> None:
    torn = pytester.path / "reports/torn"
    torn.mkdir()
    (torn / "questions.jsonl").write_text("")
    (torn / "results.json").write_text('{"schema": 1, "results": [{}]}')
    assert says in one_error(pytester.runpytest(*ECHO, *args))


def test_a_baseline_of_several_models_must_say_which(pytester: pytest.Pytester, tiny: Path) -> None:
    (pytester.path / "llmeval.toml").write_text(
        '[models.one]\nbackend="echo"\n[models.two]\nbackend="echo"\n'
    )
    two = ("--llm-model=one", "--llm-model=two", "--llm-benchmark=tiny")
    pytester.runpytest(*two, "--llm-run-name=both")
    done = pytester.runpytest(*ECHO, "--llm-baseline=both")
    assert "both has no model 'echo'; it has one, two; choose one: RUN::MODEL" in one_error(done)
    done = pytester.runpytest(*ECHO, "--llm-baseline=both::two")
    done.stdout.fnmatch_lines(["tiny: echo, against both (two)"])
    done = pytester.runpytest(*two, "--llm-baseline=both")
    done.stdout.fnmatch_lines(["tiny: one, against both", "tiny: two, against both"])


def test_errors_on_either_side_are_left_out_and_make_the_gate_incomplete(
    pytester: pytest.Pytester, base: Path
) -> None:
    edit(base, {"tiny/birds/0": "error", "tiny/logic/3": "error"})
    drop = ("--llm-baseline=base", "--llm-max-drop=0.9")
    done = pytester.runpytest(*ECHO, *drop)
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        [
            "questions excluded: 2 ended in an error in the earlier run",
            "gate max-drop 0.9: INCOMPLETE*: 2 questions ended in an error in the baseline",
        ]
    )
    assert results(pytester)["comparisons"][0]["pairs"] == 6
    assert pytester.runpytest(*ECHO, *drop, "--llm-allow-errors=2").ret == 0


def test_a_baseline_of_fewer_questions_is_incomplete(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest(*ECHO, "--llm-limit=2", "--llm-run-name=base")
    drop = ("--llm-baseline=base", "--llm-max-drop=0.9")
    done = pytester.runpytest(*ECHO, *drop)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["gate max-drop 0.9: INCOMPLETE*4 questions are not in the baseline*"])
    assert pytester.runpytest(*ECHO, *drop, "--llm-gate-partial").ret == 0
    # and so is a run of fewer than the baseline
    done = pytester.runpytest(*ECHO, *drop, "--llm-limit=1")
    done.stdout.fnmatch_lines(["gate max-drop 0.9: INCOMPLETE*2 of 8 questions were asked*"])


def test_a_benchmark_that_the_baseline_lacks(pytester: pytest.Pytester, base: Path) -> None:
    both = ("--llm-model=echo", "--llm-benchmark=mini", "--llm-benchmark=tiny")
    args = (*both, "--llm-baseline=base", "--llm-baseline-force")
    done = pytester.runpytest(*args)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["llmeval: the baseline base has no mini to compare with"])
    assert [comparison["benchmark"] for comparison in results(pytester)["comparisons"]] == ["tiny"]
    alone = pytester.runpytest("--llm-model=echo", "--llm-benchmark=mini", "--llm-baseline=base")
    assert alone.ret == pytest.ExitCode.USAGE_ERROR
    done = pytester.runpytest(*args, "--llm-max-drop=0.5")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["gate max-drop 0.5: INCOMPLETE*the baseline has no question of mini"])


def test_clusters_of_a_benchmark_widen_its_interval(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest(*ECHO, "--llm-run-name=plain")
    plain = results(pytester)["results"][0]
    (tiny / "benchmark.toml").write_text(TOML.replace("[data]", '[data]\ncluster = "A"'), "utf-8")
    for subject in ("birds", "logic"):
        file = tiny / f"data/val/{subject}_val.csv"
        rows = (
            file.read_text("utf-8")
            .replace(",C\n", ",A\n")
            .replace("2?,one", "2?,uno")
            .replace("0?,one", "0?,uno")
        )
        file.write_text(rows, "utf-8")
    for xdist in ("-n0", "-n2"):
        assert pytester.runpytest(*ECHO, xdist).ret == 0
        found = results(pytester)["results"][0]
        lines = (pytester.path / "reports/latest/questions.jsonl").read_text("utf-8").splitlines()
        assert json.loads(lines[0])["cluster"] == "birds/uno"
        # four clusters of two questions, each all right or all wrong
        assert found["accuracy"] == 0.5
        assert found["interval"][1] - found["interval"][0] > 0.7 > plain["interval"][1] - plain["interval"][0]


def test_a_cluster_column_that_is_not_there(pytester: pytest.Pytester, tiny: Path) -> None:
    (tiny / "benchmark.toml").write_text(TOML.replace("[data]", '[data]\ncluster = "passage"'), "utf-8")
    assert "column 'passage' is missing" in one_error(pytester.runpytest(*ECHO))


def test_compare_is_a_command(pytester: pytest.Pytester, base: Path) -> None:
    pytester.runpytest(*ECHO, "--llm-run-name=now")
    done = pytester.run(sys.executable, "-m", "pytest_llmeval", "compare", "base", "now")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["tiny: echo, against base", "mean over subjects*", "broken: 1 question"])
    done = pytester.run(sys.executable, "-m", "pytest_llmeval", "compare", "base", "latest", "--json")
    found = json.loads(done.stdout.str())
    assert found["comparisons"][0]["pairs"] == 8 and found["notes"] == []
    pytester.runpytest(*ECHO, "--llm-shots=0", "--llm-run-name=other")
    done = pytester.run(sys.executable, "-m", "pytest_llmeval", "compare", "base", "other")
    assert (done.ret, done.outlines) == (4, [])
    (line,) = done.errlines
    assert line == (
        "ERROR: tiny cannot be compared with base: 1 shots then, 0 now (--force compares them anyway)"
    )
    assert (
        pytester.run(sys.executable, "-m", "pytest_llmeval", "compare", "base", "other", "--force").ret == 0
    )
    done = pytester.run(sys.executable, "-m", "pytest_llmeval", "compare", "base", "nothing")
    assert done.ret == 4 and "nothing: not a run" in done.errlines[0]
