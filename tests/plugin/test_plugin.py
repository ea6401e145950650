"""The plugin as its users run it: pytest in pytest, with and without xdist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import TOML, questions, results
from tests.support.workers import WORKERS


@pytest.mark.parametrize("xdist", ["-n0", "-n2"])
def test_a_run(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", xdist)
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*tiny*echo*generate, 1 shot, val*", "*2 correct, 6 wrong*"])
    (result,) = results(pytester)["results"]
    assert result["counts"] == {
        "requested": 8,
        "correct": 2,
        "wrong": 6,
        "unparsed": 0,
        "answered": 0,
        "error": 0,
    }
    assert result["accuracy"] == 0.25
    assert result["subjects"]["birds"]["counts"]["correct"] == 1
    assert set(result["groups"]) == {"nature", "thought", "hard"}
    assert results(pytester)["run"]["complete"] is True
    lines = questions(pytester)
    assert [line["id"] for line in lines] == [f"tiny/{s}/{n}" for s in ("birds", "logic") for n in range(4)]
    assert lines[1]["outcome"] == "wrong"
    assert "birds question 1?" in lines[1]["prompt"]
    names = {p.name for p in (pytester.path / "reports/latest/").iterdir()}
    assert names == {"results.json", "questions.jsonl", "summary.md", "summary.csv", "report.html"}


def test_selection(pytester: pytest.Pytester, tiny: Path) -> None:
    base = ("--llm-model=echo", "--llm-benchmark=tiny")
    for extra, asked in (
        (("-k", "birds"), 4),
        (("-k", "[logic-2]"), 1),
        (("--llm-limit=1",), 2),
        (("--llm-limit=1:3",), 4),
        (("-x",), 8),
    ):
        assert pytester.runpytest(*base, *extra).ret == 0
        assert results(pytester)["results"][0]["counts"]["requested"] == asked
    nodeid = questions(pytester)[3]["nodeid"]
    assert nodeid.endswith("::test_tiny[birds-3]")


def test_a_node_id_asks_one_question(pytester: pytest.Pytester, tiny: Path) -> None:
    (tiny / "test_tiny.py").write_text(
        "import pytest\n@pytest.mark.llmeval('tiny')\n"
        "def test_tiny(question, llm):\n    assert llm.answer(question) == question.answer\n"
    )
    done = pytester.runpytest("--llm-model=echo", "tiny/test_tiny.py::test_tiny[logic-0]", "-v")
    assert done.ret == 0
    assert [line["id"] for line in questions(pytester)] == ["tiny/logic/0"]
    done.stdout.fnmatch_lines(["*test_tiny[[]logic-0] CORRECT*"])


def test_strict_and_x_stop_at_the_first_wrong_answer(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-strict", "-x")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert [line["id"] for line in questions(pytester)] == ["tiny/birds/0", "tiny/birds/1"]
    assert results(pytester)["run"]["complete"] is False
    done.stdout.fnmatch_lines(["incomplete: 6 of the selected questions were not run"])


def test_wrong_answers_leave_nothing_to_the_collector(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makeconftest("""
        import gc
        import pytest

        def pytest_collection_finish():
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish():
            gc.collect()
            found = sum(type(one).__name__ in ("frame", "AssertionError") for one in gc.garbage)
            gc.set_debug(0)
            print("left in cycles:", found)
    """)
    done = pytester.runpytest_subprocess("--llm-model=echo", "--llm-benchmark=tiny", "-s")
    done.stdout.fnmatch_lines(["*left in cycles: 0", "*2 correct, 6 wrong*"])


def test_durations_name_questions(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest(
        "--llm-model=echo", "--llm-benchmark=tiny", "--durations=3", "--durations-min=0"
    )
    done.stdout.fnmatch_lines(["*slowest 3 durations*", "*s *test_tiny[[]*"])


@pytest.mark.parametrize("venv", [True, False])
def test_a_packaged_benchmark_runs_in_any_folder(pytester: pytest.Pytester, venv: bool) -> None:
    if venv:
        package = pytester.path / ".venv/lib/python3.11/site-packages/other"
        package.mkdir(parents=True)
        (pytester.path / ".venv/pyvenv.cfg").write_text("home = /usr/bin\n")
        (package / "test_other.py").write_text("raise RuntimeError('not ours')\n")
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=mini", "--llm-limit=1")
    assert done.ret == 0
    assert results(pytester)["results"][0]["counts"]["requested"] == 8
    assert questions(pytester)[0]["nodeid"].startswith("mini/test_mini.py::test_mini[")


def test_an_unrelated_project_is_unchanged(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    (pytester.path / "questions.csv").write_text("id,question,A,B,C,D,answer\n0,q,a,b,c,d,A\n")
    mine = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    bare = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:llmeval")
    said = [
        [line.split(" in ")[0].strip("= ") for line in done.outlines if not line.startswith("plugins")]
        for done in (mine, bare)
    ]
    assert said[0] == [line.replace("runpytest-1", "runpytest-0") for line in said[1]]
    left = {path.name for path in pytester.path.iterdir() if not path.name.startswith("runpytest-")}
    others = {"__pycache__", ".benchmarks", "stdout", "stderr"}  # of Python, pytest-benchmark, pytester
    assert left - others == {"test_own.py", "questions.csv", "tiny"}


def test_collect_only(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest("--llm-benchmark=tiny", "--co", "-q")
    done.stdout.fnmatch_lines(["*test_tiny[[]birds-0]", "*test_tiny[[]logic-3]"])
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize("xdist", WORKERS)
def test_no_model_is_one_line(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    done = pytester.runpytest("--llm-benchmark=tiny", "--llm-benchmark=mini", xdist)
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    said = [line for line in done.outlines if line.startswith("llmeval:")]
    command = "pytest --llm-model=smollm2 --llm-benchmark=tiny --llm-benchmark=mini"
    assert said == [f"llmeval: tiny, mini: no model given; try: {command}"]
    assert "skipped" not in done.stdout.str()


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_limit_beyond_all_questions_says_so(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-limit=50:60", xdist)
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    said = [line for line in done.outlines if "llmeval: tiny" in line]
    assert said[-1] == "llmeval: tiny: --llm-limit=50:60 selects no question"


def test_several_models(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.path.joinpath("llmeval.toml").write_text("[models.other]\nbackend = 'echo'\n")
    done = pytester.runpytest("--llm-model=echo", "--llm-model=other", "--llm-benchmark=tiny", "-v")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*test_tiny[[]birds-0-echo] CORRECT*", "*test_tiny[[]birds-1-other] WRONG*"])
    assert [r["model"] for r in results(pytester)["results"]] == ["echo", "other"]


def test_strict_shows_the_question_without_a_traceback(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-strict", "-k", "birds-1")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        [
            "wrong: tiny/birds/1 (echo)",
            "birds question 1[?]",
            "  B. two",
            "gold answer: B",
            "answer read: A",
            "  | A",
        ]
    )
    assert "def test" not in done.stdout.str()
    assert "Traceback" not in done.stdout.str()


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize(
    ("gate", "code", "verdict"),
    [
        ("0.25", 0, "pass"),
        ("tiny=25%", 0, "pass"),
        ("tiny=0.3", 1, "fail"),
        ("tiny:hard=0.26", 1, "fail"),
        ("tiny:birds=0.25", 0, "pass"),
    ],
)
def test_gates(pytester: pytest.Pytester, tiny: Path, xdist: str, gate: str, code: int, verdict: str) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", f"--llm-fail-under={gate}", xdist)
    assert done.ret == code
    assert [g["verdict"] for g in results(pytester)["gates"]] == [verdict]
    done.stdout.fnmatch_lines([f"gate*{verdict.upper()}*"])


def test_a_gate_refuses_a_part(pytester: pytest.Pytester, tiny: Path) -> None:
    base = ("--llm-model=echo", "--llm-benchmark=tiny", "--llm-fail-under=tiny=0.1", "--llm-limit=1")
    assert pytester.runpytest(*base).ret == 1
    assert results(pytester)["gates"][0]["verdict"] == "incomplete"
    assert pytester.runpytest(*base, "--llm-gate-partial").ret == 0


def test_an_empty_run_fails_its_gates(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest(
        "--llm-model=echo", "--llm-benchmark=tiny", "--llm-fail-under=0.1", "-k", "nothing_like_it"
    )
    assert done.ret == 1
    done.stdout.fnmatch_lines(["gate*INCOMPLETE*no question was asked*"])


def test_a_typo_in_a_gate_asks_nothing(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-fail-under=tiny:bird=0.1")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: *bird*did you mean 'birds'?"])
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_bad_row_is_that_question_s_error(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    file = tiny / "data/val/birds_val.csv"
    file.write_text(
        file.read_text().replace(
            "2,birds question 2?,one,two,three,four,C", "2,birds question 2?,one,two,three,four,"
        )
    )
    base = ("--llm-model=echo", "--llm-benchmark=tiny", xdist)
    done = pytester.runpytest(*base)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*tiny/birds/2*answer*"])
    assert "Traceback" not in done.stdout.str()
    counts = results(pytester)["results"][0]["counts"]
    assert (counts["requested"], counts["error"], counts["correct"] + counts["wrong"]) == (8, 1, 7)
    assert results(pytester)["run"]["complete"] is False
    assert pytester.runpytest(*base, "--llm-allow-errors=1").ret == 0
    assert results(pytester)["run"]["complete"] is True
    gated = pytester.runpytest(*base, "--llm-fail-under=0.1")
    assert gated.ret == 1
    assert results(pytester)["gates"][0]["verdict"] == "incomplete"


def test_users_own_tests(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_llmeval import RequestFailed

        def test_generate(llm):
            assert llm.generate("hello").text == "A"

        def test_choose(llm):
            assert llm.choose("The sky is", [" blue", " green"]) == " blue"

        @pytest.mark.llmeval("tiny")
        def test_mine(question, llm):
            assert question.choices[llm.answer(question)] == "one"

        @pytest.mark.llmeval("tiny")
        def test_broken(question, llm):
            llm.answer(question)
            raise KeyError("oops")
        """
    )
    done = pytester.runpytest("--llm-model=echo")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*8 failed, *2 passed*"])


def test_own_tests_without_a_model_are_skipped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_generate(llm): assert llm.generate('hello').text")
    done = pytester.runpytest("-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*set --llm-model*"])


def test_show_prompts_asks_nothing(pytester: pytest.Pytester, tiny: Path) -> None:
    done = pytester.runpytest("--llm-benchmark=tiny", "--llm-show-prompts", "-k", "birds-1", "-n2")
    assert done.ret == 0
    done.stdout.fnmatch_lines(
        [
            "=== tiny/birds/1",
            "[[]user]",
            "birds question 0[?]",
            "[[]assistant]",
            "A",
            "birds question 1[?]",
            "1 prompt; nothing was sent",
        ]
    )
    assert not (pytester.path / "reports").exists()


def test_list(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("llmeval.toml").write_text(
        "[models.internlm-local]\nbackend = 'hf'\npath = '/models/internlm'\n"
        "[models.cloud]\nbackend = 'openai'\nbase_url = 'http://user:secret@host/v1'\n"
        "[runs.other]\nmodels = ['cloud']\nlimit = 1\n"
    )
    done = pytester.runpytest("--llm-list", "internlm", "ceval")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*internlm-local*hf: /models/internlm", "*ceval*52 subjects*"])
    assert not {"cmmlu", "runs:"} & set(done.stdout.str().split())
    everything = pytester.runpytest("--llm-list").stdout
    gsm8k = "  gsm8k *GSM8K: 1,319 questions, splits test, train; * MIT; data *here"
    everything.fnmatch_lines([gsm8k, "  lm-eval:TASK *", "runs:", "  other  model cloud; limit 1"])
    assert "secret" not in everything.str()


def test_junit_carries_the_outcome(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--junitxml=j.xml")
    text = (pytester.path / "j.xml").read_text("utf-8")
    assert text.count('name="llm_outcome" value="wrong"') == 6
    assert 'failures="0"' in text


def test_a_plugin_adds_a_backend(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makeconftest(
        """
        from pytest_llmeval import Completion, run_batches

        class Second:
            window = 4
            def check(self): pass
            def identity(self): return "second"
            def run(self, jobs):
                run_batches(jobs, lambda batch: [job.finish(Completion(text="B")) for job in batch], 4)

        def pytest_llmeval_make_model(config, cache_dir):
            return Second() if config.backend == "second" else None
        """
    )
    done = pytester.runpytest("--llm-model=second:x", "--llm-benchmark=tiny")
    assert done.ret == 0
    assert [line["answer"] for line in questions(pytester)] == ["B"] * 8


def test_answers_without_gold_have_no_accuracy(pytester: pytest.Pytester, tiny: Path) -> None:
    toml = tiny / "benchmark.toml"
    toml.write_text(
        TOML.replace("[data]", '[data]\nunanswered_splits = ["test"]', 1).replace(
            'split = "val"', 'split = "val"\nsplits = ["val", "test"]'
        ),
        "utf-8",
    )
    (tiny / "data/test").mkdir()
    (tiny / "data/test/birds_test.csv").write_text("id,question,A,B,C,D\n0,q0,a,b,c,d\n1,q1,a,b,c,d\n")
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-split=test")
    assert done.ret == 0
    (result,) = results(pytester)["results"]
    assert result["accuracy"] is None
    assert result["counts"]["answered"] == 2
    submission = json.loads((pytester.path / "reports/latest/submission.json").read_text())
    assert submission == {"birds": {"0": "A", "1": "A"}}
    done.stdout.fnmatch_lines(["*no test file for 1 subject; skipped: logic", "*2 answered*"])
