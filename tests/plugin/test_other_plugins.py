"""Other pytest plugins beside this one: no failure of theirs is scored, and each question has one record."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

ECHO = "--llm-model=echo"


def counts(pytester: pytest.Pytester) -> dict[str, int]:
    (result,) = results(pytester)["results"]
    return {name: number for name, number in result["counts"].items() if number}


def outcomes(pytester: pytest.Pytester) -> dict[str, tuple[str, str | None]]:
    """Outcome and error of each question by its key; a question must have one line."""
    rows = questions(pytester)
    assert max(Counter(row["id"] for row in rows).values()) == 1
    return {row["id"].rpartition("/")[2]: (row["outcome"], row["error"]) for row in rows}


@pytest.fixture
def letters(pytester: pytest.Pytester) -> Path:
    """Eight questions to which echo's answer A is right, but for the last."""
    rows = [f"{number}?,a,b,c,d,{'A' if number < 7 else 'B'}" for number in range(8)]
    path = pytester.path / "letters.csv"
    path.write_text("\n".join(["question,A,B,C,D,answer", *rows]) + "\n", "utf-8")
    return path


def write_test(pytester: pytest.Pytester, *body: str, marks: str = "", header: str = "") -> None:
    lines = ["import pytest, sys, time", header, '@pytest.mark.llmeval("letters.csv")', marks]
    lines += ["def test_letters(question, llm):", *(f"    {line}" for line in body)]
    lines.append("    assert llm.answer(question) == question.answer")
    pytester.makepyfile(test_letters="\n".join(lines))


@pytest.mark.parametrize("func_only", (False, True))
def test_a_time_limit_while_the_metric_runs(pytester: pytest.Pytester, func_only: bool) -> None:
    folder = pytester.path / "slow"
    folder.mkdir()
    (folder / "benchmark.toml").write_text('name = "slow"\nmetric = "slow"\n')
    (folder / "questions.csv").write_text("question,answer\n0,A\n1,A\n2,B\n")
    pytester.makeconftest(
        """
        import time
        from pytest_llmeval.metrics import Metric

        def make(options, where):
            def score(answer, question):
                if question.key == "1":
                    time.sleep(20)
                return float(answer == question.answer)
            return score

        def pytest_llmeval_metrics():
            return {"slow": Metric(make, extractor="text")}
        """
    )
    pytester.makeini(f"[pytest]\ntimeout = 0.5\ntimeout_method = signal\ntimeout_func_only = {func_only}")
    done = pytester.runpytest("-p", "timeout", ECHO, "--llm-benchmark=slow")
    assert done.ret == 1
    assert counts(pytester) == {"requested": 3, "correct": 1, "wrong": 1, "error": 1}
    assert outcomes(pytester)["1"] == ("error", "the test failed: Timeout (>0.5s) from pytest-timeout.")
    done.stdout.fnmatch_lines(["1 * the test failed: Timeout (>0.5s) from pytest-timeout. (slow/slow/1)"])


def test_a_time_limit_before_the_question_is_sent(pytester: pytest.Pytester, letters: Path) -> None:
    write_test(pytester, "if question.key == '2': time.sleep(20)", marks="@pytest.mark.timeout(0.5)")
    assert pytester.runpytest("-p", "timeout", ECHO).ret == 1
    assert counts(pytester) == {"requested": 8, "correct": 6, "wrong": 1, "error": 1}
    assert outcomes(pytester)["2"] == ("error", "the test failed: Timeout (>0.5s) from pytest-timeout.")


def test_failures_that_do_not_judge_the_answer(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(item):
            result = yield
            if "letters-3]" in item.name:
                raise AssertionError("a hook failed")
            return result

        @pytest.hookimpl(wrapper=True)
        def pytest_pyfunc_call(pyfuncitem):
            result = yield
            if "letters-4]" in pyfuncitem.name:
                pytest.fail("a hook failed")
            return result

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if "letters-5]" in item.name and call.when == "call":
                report.outcome, report.longrepr = "failed", "2 soft checks failed"
            return report

        @pytest.fixture(autouse=True)
        def broken(request):
            if "letters-0]" in request.node.name:
                pytest.fail("the database is away")
            yield
            if "letters-6]" in request.node.name:
                raise ValueError("nothing to clean")
        """
    )
    write_test(
        pytester,
        "if question.key == '1': sys.exit(3)",
        "if question.key == '2': raise AssertionError('no key expected')",
    )
    assert pytester.runpytest(ECHO).ret == 1
    assert counts(pytester) == {"requested": 8, "correct": 1, "wrong": 1, "error": 6}
    found = outcomes(pytester)
    assert {key: error for key, (_, error) in found.items() if error} == {
        "0": "the database is away",
        "1": "the test raised SystemExit: 3",
        "2": "the test did not send its question to the model: AssertionError: no key expected",
        "3": "the test raised AssertionError: a hook failed",
        "4": "the test failed: a hook failed",
        "5": "the test failed: 2 soft checks failed",
    }
    # the answer was right, whatever happens afterwards
    assert found["6"] == ("correct", None)


def test_assertions_of_the_test_judge_the_answer(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(
        """
        import functools, pytest

        def fail_unless(condition):
            if not condition:
                pytest.fail("not the answer")

        def plain(function):
            @functools.wraps(function)
            def wrapper(question, llm):
                return function(question, llm)
            return wrapper
        """
    )
    write_test(
        pytester,
        "fail_unless(llm.answer(question) == question.answer)",
        header="from conftest import fail_unless, plain",
        marks="@plain",
    )
    assert pytester.runpytest("--import-mode=prepend", ECHO).ret == 0
    assert counts(pytester) == {"requested": 8, "correct": 7, "wrong": 1}


def test_an_assertion_in_an_extractor_does_not_judge_the_answer(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "strange"
    folder.mkdir()
    (folder / "benchmark.toml").write_text('name = "strange"\nmetric = "exact"\nextractor = "strange"\n')
    (folder / "questions.csv").write_text("question,answer\n0,A\n")
    pytester.makeconftest(
        """
        def strange(text, choices):
            assert text == "anything else"

        def pytest_llmeval_extractors():
            return {"strange": strange}
        """
    )
    assert pytester.runpytest(ECHO, "--llm-benchmark=strange").ret == 1
    assert counts(pytester) == {"requested": 1, "error": 1}


@pytest.mark.parametrize("raised", ("pytest.skip('not today')", "pytest.xfail('known')"))
def test_a_skipped_question_is_not_counted(pytester: pytest.Pytester, letters: Path, raised: str) -> None:
    write_test(pytester, f"if question.key == '0': {raised}")
    done = pytester.runpytest(ECHO)
    done.stdout.fnmatch_lines(["incomplete: 1 of the selected questions were not run"])
    assert counts(pytester) == {"requested": 7, "correct": 6, "wrong": 1}


@pytest.mark.parametrize("raised", ("KeyboardInterrupt", "pytest.exit.Exception('enough')"))
def test_an_interrupted_question_is_not_counted(
    pytester: pytest.Pytester, letters: Path, raised: str
) -> None:
    write_test(pytester, f"if question.key == '5': raise {raised}")
    done = pytester.runpytest_subprocess(ECHO)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert counts(pytester) == {"requested": 5, "correct": 5}


#: a test that fails the first time for one question, and always for another
FLAKY = (
    "tries[question.key] = tries.get(question.key, 0) + 1",
    "if question.key == '0' and tries['0'] == 1: raise ConnectionError('away')",
    "if question.key == '1': raise ConnectionError(f'try {tries[question.key]}')",
)


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_question_that_is_run_again_has_the_record_of_its_last_try(
    pytester: pytest.Pytester, letters: Path, xdist: str
) -> None:
    write_test(pytester, *FLAKY, header="tries = {}")
    done = pytester.runpytest("-p", "rerunfailures", "--reruns=2", ECHO, xdist, "--junitxml=junit.xml")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*1 failed, 6 correct, 1 wrong, 3 rerun*"])
    assert counts(pytester) == {"requested": 8, "correct": 6, "wrong": 1, "error": 1}
    found = outcomes(pytester)
    assert found["0"] == ("correct", None)
    assert found["1"] == ("error", "the test raised ConnectionError: try 3")
    done.stdout.no_fnmatch_line("*try 1*")
    cases = ElementTree.parse(pytester.path / "junit.xml").getroot().iter("testcase")
    for case in cases:
        names = [prop.get("name") for prop in case.iter("property")]
        assert names.count("llm_outcome") == 1


def test_allowed_errors_and_reruns(pytester: pytest.Pytester, letters: Path) -> None:
    write_test(pytester, *FLAKY, header="tries = {}")
    done = pytester.runpytest("-p", "rerunfailures", "--reruns=2", ECHO, "--llm-allow-errors=1")
    assert done.ret == 0
    assert results(pytester)["run"]["complete"] is True


def test_a_fixture_that_is_set_up_again(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(
        """
        import pytest
        failed = []

        @pytest.fixture(autouse=True)
        def database(question):
            if not failed:
                failed.append(question)
                raise ConnectionError("away")
        """
    )
    write_test(pytester)
    assert pytester.runpytest("-p", "rerunfailures", "--reruns=1", ECHO).ret == 0
    assert counts(pytester) == {"requested": 8, "correct": 7, "wrong": 1}
    assert outcomes(pytester)["0"] == ("correct", None)


@pytest.mark.parametrize("xdist", WORKERS)
def test_repeated_items_are_repeats_of_their_questions(
    pytester: pytest.Pytester, letters: Path, xdist: str
) -> None:
    write_test(pytester)
    assert pytester.runpytest("-p", "repeat", "--count=3", ECHO, xdist, "--llm-repeats=2").ret == 0
    (result,) = results(pytester)["results"]
    assert result["counts"]["requested"] == 8 * 6 and result["counts"]["correct"] == 7 * 6
    assert result["repeats"]["times"] == 6 and result["repeats"]["pass_at"]["6"] == pytest.approx(7 / 8)
    assert results(pytester)["run"]["complete"] is True
    rows = Counter((row["id"], row.get("repeat", 0)) for row in questions(pytester))
    assert len(rows) == 8 * 6 and set(rows.values()) == {1}
    assert result["tokens"]["completion"] == 8 * 6


def test_a_gate_counts_repeated_questions_once(pytester: pytest.Pytester, letters: Path) -> None:
    write_test(pytester)
    done = pytester.runpytest(
        "-p", "repeat", "--count=3", ECHO, "--llm-fail-under=0.5", "-k", "not letters-7"
    )
    assert done.ret == 1
    done.stdout.fnmatch_lines(["gate 0.5: INCOMPLETE*7 of 8 questions were asked*"])


def test_a_failed_item_that_another_plugin_lets_pass_is_still_an_error(
    pytester: pytest.Pytester, letters: Path
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.outcome = "passed"  # a quarantine
            return report
        """
    )
    write_test(pytester, "if question.key == '0': raise ConnectionError('away')")
    assert pytester.runpytest(ECHO).ret == 1
    assert counts(pytester) == {"requested": 8, "correct": 6, "wrong": 1, "error": 1}


def test_a_coroutine_is_run_in_all_repeats(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(
        """
        import asyncio, inspect, pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            if inspect.iscoroutinefunction(pyfuncitem.obj):
                values = {name: pyfuncitem.funcargs[name] for name in ("question", "llm")}
                asyncio.run(pyfuncitem.obj(**values))
                return True
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.llmeval("letters.csv")
        async def test_letters(question, llm):
            assert llm.answer(question) == question.answer
        """
    )
    assert pytester.runpytest(ECHO, "--llm-repeats=2").ret == 0
    assert counts(pytester) == {"requested": 16, "correct": 14, "wrong": 2}


def test_subtests_do_not_count_as_the_question(pytester: pytest.Pytester, letters: Path) -> None:
    write_test(
        pytester,
        "with subtests.test('first'): pass",
        "with subtests.test('second'): assert question.key != '3'",
    )
    path = pytester.path / "test_letters.py"
    path.write_text(path.read_text().replace("(question, llm)", "(question, llm, subtests)"))
    assert pytester.runpytest(ECHO).ret == 1
    found = outcomes(pytester)
    assert found["3"][0] == "error" and found["2"] == ("correct", None)


def test_a_full_disk_costs_one_line_and_not_the_results(
    pytester: pytest.Pytester, letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(
        """
        import errno
        from pathlib import Path
        from pytest_llmeval.results import question_log
        from pytest_llmeval.results.run_folder import trouble

        def write(self, record):
            raise trouble(self._folder, OSError(errno.ENOSPC, "No space left on device"))

        question_log.QuestionLog.write = write
        """
    )
    write_test(pytester)
    done = pytester.runpytest_subprocess(ECHO)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in done.stdout.str()
    done.stdout.fnmatch_lines(["ERROR: *questions.jsonl*No space left on device*", "*7 correct, 1 wrong*"])


TAKEN = """
def pytest_addoption(parser):
    parser.addoption("--llm-model", default="theirs")
    parser.getgroup("llm").addoption("--llm-list", action="store_true")

def pytest_report_header(config):
    return f"theirs: {config.getoption('--llm-model')} {config.getoption('llm_list')}"
"""


@pytest.mark.parametrize("place", ("conftest", "loaded later", "loaded earlier"))
def test_an_option_that_another_plugin_has_too(
    pytester: pytest.Pytester, letters: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if place == "conftest":
        pytester.makeconftest(TAKEN)
        name = "*conftest.py"
    else:
        pytester.makepyfile(theirs=TAKEN)
        pytester.syspathinsert()
        # plugins of -p are loaded before those of installed packages
        monkeypatch.setenv("PYTEST_PLUGINS", "theirs") if place == "loaded later" else None
        name = "theirs"
    more = ("-p", "theirs") if place == "loaded earlier" else ()
    pytester.makepyfile(test_own="def test_own(): pass")
    done = pytester.runpytest_subprocess("--llm-model=gpt", *more)
    assert done.ret == 0
    done.stdout.fnmatch_lines_random(
        [
            f"llmeval: --llm-model, --llm-list are options of the plugin {name}, so llmeval does not read "
            "them: set them in llmeval.toml (-p no:llmeval turns llmeval off)",
            "theirs: gpt False",
            "*1 passed*",
        ]
    )


def test_without_our_option_the_file_names_the_model(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(TAKEN)
    write_test(pytester)
    done = pytester.runpytest("--llm-model=gpt")
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    done.stdout.fnmatch_lines(
        ["llmeval: letters.csv: no model given; --llm-model, --llm-list are options of *"]
    )
    (pytester.path / "llmeval.toml").write_text('[runs.ours]\nmodels = ["echo"]\n')
    assert pytester.runpytest("--llm-model=gpt", "--llm-run=ours").ret == 0
    assert counts(pytester) == {"requested": 8, "correct": 7, "wrong": 1}


def test_an_account_without_a_home_folder(
    pytester: pytest.Pytester, letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_entry(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pwd.getpwuid", no_entry)
    monkeypatch.setattr("tempfile.tempdir", str(pytester.path))
    pytester.makepyfile(test_own="def test_own(): pass")
    pytester.runpytest().assert_outcomes(passed=1)
    write_test(pytester)
    assert pytester.runpytest(ECHO).ret == 0
    assert not (pytester.path / "~").exists()
    (folder,) = pytester.path.glob("pytest-llmeval-*")
    assert list(folder.iterdir())


OWN_LLM = """
import pytest

@pytest.fixture
def service():
    pytest.fail("the service is only for the project's own llm")

@pytest.fixture
def llm(request):
    if "marked" in request.node.name:
        request.getfixturevalue("service")
    return "the project's"
"""


def test_a_fixture_of_the_project_called_llm(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(OWN_LLM)
    pytester.makepyfile(
        """
        import pytest

        def test_theirs(llm):
            assert llm == "the project's"

        @pytest.mark.llmeval("letters.csv")
        def test_marked(question, llm):
            assert llm.answer(question) == question.answer
        """
    )
    done = pytester.runpytest()
    done.assert_outcomes(passed=1)
    done = pytester.runpytest(ECHO)
    assert done.ret == 0
    assert counts(pytester) == {"requested": 8, "correct": 7, "wrong": 1}
    # the project's tests are not run once per model, and their model is not ours to check
    (pytester.path / "llmeval.toml").write_text('[models.other]\nbackend = "echo"\n')
    done = pytester.runpytest(ECHO, "--llm-model=other", "-k", "theirs")
    done.assert_outcomes(passed=1, deselected=16)


def test_a_fixture_that_extends_llm_stays(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(
        """
        import pytest

        class Lowercase:
            def __init__(self, llm): self.llm = llm
            def answer(self, question): return self.llm.answer(question).lower()

        @pytest.fixture
        def llm(llm):
            return Lowercase(llm)
        """
    )
    write_test(pytester)
    assert pytester.runpytest(ECHO).ret == 0
    assert counts(pytester) == {"requested": 8, "wrong": 8}


def test_a_fixture_with_parameters_called_llm(pytester: pytest.Pytester, letters: Path) -> None:
    pytester.makeconftest(
        "import pytest\n@pytest.fixture(params=[1, 2])\ndef llm(request): return request.param\n"
    )
    write_test(pytester)
    done = pytester.runpytest(ECHO)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["ERROR: test_letters.py::test_letters: takes llmeval's fixture llm, but *another name"]
    )
