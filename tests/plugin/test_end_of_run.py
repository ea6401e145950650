"""The end of a run never loses the run: what cannot be written costs one line and no other file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.report import outlets
from pytest_llmeval.results import question_log, run_folder
from tests.support.tiny_benchmark import results
from tests.support.workers import WORKERS

pytestmark = pytest.mark.usefixtures("tiny")
ECHO = ("--llm-model=echo", "--llm-benchmark=tiny")


def files(pytester: pytest.Pytester, run: str) -> set[str]:
    return {path.name for path in (pytester.path / "reports" / run).iterdir()}


ALL = {"results.json", "questions.jsonl", "report.html", "summary.md", "summary.csv"}


@pytest.mark.parametrize("xdist", WORKERS)
def test_latest_is_a_folder(pytester: pytest.Pytester, xdist: str) -> None:
    folder = pytester.path / "reports/latest"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("of an artifact")
    done = pytester.runpytest(*ECHO, "--llm-run-name=one", xdist)
    assert done.ret == 0
    done.stdout.fnmatch_lines(
        ["llmeval: latest could not be written: *it is a folder*", "report: *report.html"]
    )
    assert files(pytester, "one") >= ALL
    assert (folder / "report.html").read_text() == "of an artifact"


def test_a_disk_that_is_full_at_the_last_flush(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(question_log, "_FLUSH_EVERY_S", 1e9)
    pytester.makeconftest(
        "import pytest, resource\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_collection_finish():\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))\n"
        "def pytest_unconfigure():\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
    )
    done = pytester.runpytest(*ECHO, "--llm-no-cache", "--llm-fail-under=0.1", "-p", "no:cacheprovider")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert done.ret == 1
    text = done.stdout.str() + done.stderr.str()
    assert "Traceback" not in text and "INTERNALERROR" not in text
    done.stdout.fnmatch_lines(
        [
            "ERROR: not all answers are in questions.jsonl: *File too large*",
            "ERROR: results.json could not be written: *File too large*",
            "mean over questions  8*",
            "gate 0.1: PASS*",
        ]
    )


@pytest.mark.parametrize("name", ["results.json", "summary.md", "summary.csv", "report.html", "badge.svg"])
def test_each_file_fails_alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    replacing = run_folder.replacing

    def failing(path: Path) -> object:
        if path.name == name:
            raise OSError(28, "No space left on device")
        return replacing(path)

    for module in (run_folder, outlets):
        monkeypatch.setattr(module, "replacing", failing, raising=False)
    monkeypatch.setattr("pytest_llmeval.report.html.replacing", failing, raising=False)
    done = pytester.runpytest(
        *ECHO, "--llm-run-name=one", "--llm-badge", "--llm-fail-under=0.1", "--junit-xml=j.xml"
    )
    said = [line for line in done.outlines if "could not be written" in line]
    assert len(said) == 1 and "No space left on device" in said[0]
    assert files(pytester, "one") & (ALL | {"badge.svg"}) == (ALL | {"badge.svg"}) - {name}
    assert done.ret == (name in ("results.json", "summary.md", "summary.csv"))
    done.stdout.fnmatch_lines(["gate 0.1: PASS*"])
    assert (pytester.path / "j.xml").is_file()


@pytest.mark.parametrize("option", ["--llm-baseline=base", "--llm-replay=base"])
def test_results_of_a_later_schema(pytester: pytest.Pytester, option: str) -> None:
    assert pytester.runpytest(*ECHO, "--llm-run-name=base").ret == 0
    path = pytester.path / "reports/base/results.json"
    path.write_text(json.dumps(results(pytester) | {"schema": 2}))
    done = pytester.runpytest(*ECHO, option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: *results.json has schema 2, *reads schema 1; update it*"])


def test_a_baseline_with_a_result_twice(pytester: pytest.Pytester) -> None:
    assert pytester.runpytest(*ECHO, "--llm-run-name=base").ret == 0
    path = pytester.path / "reports/base/results.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"results": content["results"] * 2}))
    done = pytester.runpytest(*ECHO, "--llm-baseline=base", "--llm-run-name=last")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: --llm-baseline=base: *has two results of echo on tiny; delete one*"])
    assert not (pytester.path / "reports/last").exists()


def test_a_run_folder_that_is_deleted_meanwhile(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest, shutil\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtestloop():\n"
        "    result = yield\n"
        "    shutil.rmtree('reports/one')\n"
        "    return result\n"
    )
    done = pytester.runpytest(*ECHO, "--llm-run-name=one")
    assert done.ret == 1
    assert "INTERNALERROR" not in done.stdout.str() + done.stderr.str()
    done.stdout.fnmatch_lines(["ERROR: results.json could not be written: *", "mean over questions  8*"])
