"""``--llm-fetch`` and what ``--llm-list`` says of data, with a local hub."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_llmeval.plugin.fetch import split_names
from tests.support.hub import COMMIT, Hub, Repo, client_environ, serving

pytest.importorskip("huggingface_hub")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TOML = """
title = "{name}"
shots = 0
questions = 3
licence = "CC0"
source = "https://example.org/{name}"

[data]
choice_list = "choices"

[data.hub]
repo = "owner/{name}"
revision = "{commit}"
bytes = 1_200_000
gated = {gated}

[variants.short]
title = "{name}, short"
[variants.short.prompts.generate]
user = "{{{{ question }}}}"
"""


def parquet() -> bytes:
    made = io.BytesIO()
    rows = [{"question": f"q{n}", "choices": ["x", "y"], "answer": "AB"[n % 2]} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), made)
    return made.getvalue()


@pytest.fixture
def hub(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("quiz", "closed"):
        folder = pytester.path / "benchmarks" / name
        folder.mkdir(parents=True)
        gated = "true" if name == "closed" else "false"
        (folder / "benchmark.toml").write_text(TOML.format(name=name, commit=COMMIT, gated=gated), "utf-8")
    (pytester.path / "llmeval.toml").write_text(
        'cache_dir = "cache"\nmodel = "echo"\n[suites.both]\nbenchmarks = ["closed", "quiz", "quiz@short"]\n'
    )
    repos = {f"owner/{name}": Repo({"test.parquet": parquet()}) for name in ("quiz", "closed")}
    repos["owner/closed"].gated_for = "hf_secretgood"
    with serving(repos) as hub:
        for name, value in client_environ(hub.url, pytester.path / "home").items():
            monkeypatch.setenv(name, value)
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "LLMEVAL_DATA"):
            monkeypatch.delenv(name, raising=False)
        yield hub


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run pytest in a process of its own, whose hub client reads the environment anew."""
    return pytester.runpytest_subprocess(*arguments)


def test_fetch_then_run_offline(hub: Hub, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(pytester, "--llm-fetch", "quiz")
    folder = next((pytester.path / "cache/hub").iterdir())
    done.stdout.fnmatch_lines(
        [
            f"quiz: 1 file, * kB, of owner/quiz@{COMMIT} in {folder}",
            "1 benchmark: all data is on this machine",
        ]
    )
    assert done.ret == 0 and not (pytester.path / "reports").exists()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(hub.asked)
    again = run(pytester, "--llm-fetch", "quiz")
    assert again.ret == 0 and again.outlines[:2] == done.outlines[:2]
    ran = run(pytester, "--llm-benchmark=quiz")
    ran.assert_outcomes()
    assert ran.ret == 0 and len(hub.asked) == asked
    (results,) = pytester.path.glob("reports/2*/results.json")
    assert json.loads(results.read_text("utf-8"))["results"][0]["data_source"] == f"owner/quiz@{COMMIT}"
    assert "may change" not in ran.stdout.str()


def test_one_failure_does_not_stop_the_others(hub: Hub, pytester: pytest.Pytester) -> None:
    done = run(pytester, "--llm-fetch", "suite:both")
    done.stdout.fnmatch_lines(
        [
            "failed: closed: no local data, and owner/closed cannot be downloaded: it is gated: accept "
            "its terms at https://huggingface.co/datasets/owner/closed, and set HF_TOKEN to a token of that "
            "account",
            "quiz: 1 file, *",
            "quiz@short: 1 file, *",
            "3 benchmarks: the data of 1 could not be fetched",
        ]
    )
    assert done.ret == 1
    assert len(hub.downloads) == 1  # a variant shares the data of its benchmark


def test_an_unknown_name_is_found_before_any_download(hub: Hub, pytester: pytest.Pytester) -> None:
    done = run(pytester, "--llm-fetch", "quiz", "quizz")
    assert done.ret == 4 and hub.asked == []
    done.stderr.fnmatch_lines(["ERROR: unknown benchmark 'quizz'*"])


def test_data_that_is_here_is_not_fetched(hub: Hub, pytester: pytest.Pytester) -> None:
    (pytester.path / "given/default").mkdir(parents=True)
    (pytester.path / "given/default/test.parquet").write_bytes(parquet())
    done = run(pytester, "--llm-fetch=quiz,mini", "--llm-data-dir=given")
    done.stdout.fnmatch_lines([f"quiz: its data is in {pytester.path}/given", "mini: its data is in *mini"])
    assert done.ret == 0 and hub.asked == []


def test_a_run_downloads_what_it_needs_once(hub: Hub, pytester: pytest.Pytester) -> None:
    done = run(pytester, "--llm-benchmark=quiz", "-n2")
    assert done.ret == 0
    assert len(hub.downloads) == 1
    (line,) = [line for line in done.errlines + done.outlines if "downloading" in line]
    assert line.startswith("llmeval: downloading owner/quiz for quiz (")


def test_a_gated_data_set_stops_a_run(hub: Hub, pytester: pytest.Pytester) -> None:
    done = run(pytester, "--llm-benchmark=closed")
    assert done.ret == 4
    done.stderr.fnmatch_lines(
        ["ERROR: closed: * accept its terms at https://huggingface.co/datasets/owner/closed*"]
    )


def test_the_list_says_where_data_is(hub: Hub, pytester: pytest.Pytester) -> None:
    lines = run(pytester, "--llm-list").outlines
    assert "  quiz            quiz: own questions, 3 questions, splits test; data not here" in lines
    assert "  closed          closed: own questions, 3 questions, splits test; gated; data not here" in lines
    assert not [line for line in lines if "licence" in line]
    run(pytester, "--llm-fetch", "quiz")
    done = run(pytester, "--llm-list", "quiz")
    folder = next((pytester.path / "cache/hub").iterdir())
    done.stdout.fnmatch_lines(
        [
            "  quiz  * data here",
            "      licence: CC0",
            "      source: https://example.org/quiz",
            f"      hub: https://huggingface.co/datasets/owner/quiz at {COMMIT}, 1.2 MB",
            f"      data: {folder}",
        ]
    )
    run(pytester, "--llm-list", "closed").stdout.fnmatch_lines(
        [
            "      gated: accept the terms on that page, and set HF_TOKEN to a token of that account",
            "      data: not here; pytest --llm-fetch closed",
        ]
    )
    assert len(hub.downloads) == 1


def test_names(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    assert split_names(["ceval,cmmlu", "suite:core", "a,b", " , "], tmp_path) == (
        "ceval",
        "cmmlu",
        "suite:core",
        "a,b",
    )
