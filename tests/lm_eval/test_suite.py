"""Tasks of lm-evaluation-harness as whole runs of pytest: items, numbers, reports, what can go wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support import lm_eval_tasks as harness_tasks
from tests.support.api_server import Server
from tests.support.paths import ROOT
from tests.support.tiny_benchmark import questions, results
from tests.support.tiny_models import save_tiny
from tests.support.workers import WORKERS

pytestmark = [
    pytest.mark.slow,  # loads lm-evaluation-harness in each run
    pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs lm-eval (tox installs it)"),
]
SCRIPT = ROOT / "tests/bench/compare_lm_eval_tasks.py"
OWN = ("--llm-model=echo", "--llm-lm-eval-path=tasks")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub, and nothing prepared by another test."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def run(pytester: pytest.Pytester, *names: str, more: tuple[str, ...] = ()) -> pytest.RunResult:
    folder = pytester.path / "tasks"
    if not folder.exists():
        harness_tasks.write(folder)
    benchmarks = [f"--llm-benchmark=lm-eval:{name}" for name in names]
    return pytester.runpytest_subprocess(*OWN, *benchmarks, *more)


def write_task(pytester: pytest.Pytester, name: str, **config: Any) -> None:
    harness_tasks.write(pytester.path / "tasks", [])
    files = {"test": str(pytester.path / "tasks/lines.jsonl")}
    whole = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{line}}",
        "doc_to_target": "{{word}}",
        **config,
    }
    (pytester.path / f"tasks/{name}.yaml").write_text(json.dumps(whole), "utf-8")


def numbers(pytester: pytest.Pytester) -> dict[str, Any]:
    """What lm-eval reports, by benchmark."""
    return {result["benchmark"]: result["lm_eval"] for result in results(pytester)["results"]}


@pytest.mark.parametrize("more", [(), ("--chat", "--system=Be brief.")], ids=["text", "chat"])
def test_the_numbers_are_those_of_the_library(tmp_path: Path, more: tuple[str, ...]) -> None:
    """The same model asked by ``lm_eval.simple_evaluate`` and by us: prompts, metrics, numbers, groups."""
    save_tiny(tmp_path / "model")
    tasks = ("own_weighted", "own_capitals_random", "own_sums", "own_pages")
    done = subprocess.run(
        [
            sys.executable,
            SCRIPT,
            f"--model={tmp_path / 'model'}",
            *(f"--task={task}" for task in tasks),
            *more,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    same = re.search(r"^(\d+) of (\d+) documents have the same prompts and", done.stdout, re.MULTILINE)
    assert same is not None and same[1] == same[2]
    assert int(same[2]) == 12 + 6 + 4 + 12 + 8 + 4
    compared = {tuple(line.split()[:3]) for line in done.stdout.splitlines()}
    assert ("own_weighted", "own_weighted", "acc,none") in compared
    assert ("own_pages", "own_pages", "word_perplexity,none") in compared


@pytest.mark.parametrize("xdist", WORKERS)
def test_each_document_is_an_item(pytester: pytest.Pytester, xdist: str) -> None:
    done = run(pytester, "own_weighted", "own_words", more=(xdist,))
    assert done.ret == 0
    rows = questions(pytester)
    expected = [
        *(f"lm-eval:own_weighted/own_capitals_first/{number}" for number in range(12)),
        *(f"lm-eval:own_weighted/own_causes/{number}" for number in range(6)),
        *(f"lm-eval:own_weighted/own_places/{number}" for number in range(4)),
        *(f"lm-eval:own_words/own_words/{number}" for number in range(6)),
    ]
    assert [row["id"] for row in rows] == expected
    assert rows[1]["nodeid"] == "lm-eval::test_own_weighted[own_capitals_first-1]"
    # echo likes the first choice best: right in a quarter, a half and a half
    (weighted, words) = results(pytester)["results"]
    assert weighted["counts"]["correct"] == 3 + 3 + 2
    assert words["counts"]["answered"] == 6
    own = weighted["lm_eval"]
    assert own["tasks"]["own_causes"]["acc,none"] == 0.5
    assert own["groups"]["own_weighted"]["acc,none"] == pytest.approx(8 / 22)
    assert own["groups"]["own_weighted"]["version"] == "2"
    done.stdout.fnmatch_lines(["as lm-eval * reports it:", "own_weighted *acc *0.3636*"])
    for name, text in (("report.html", "0.3636"), ("summary.md", "0.3636"), ("report.html", "chrf")):
        assert text in (pytester.path / "reports/latest" / name).read_text("utf-8")


def test_texts_are_kept(pytester: pytest.Pytester) -> None:
    run(pytester, "own_pages", "own_causes", "own_places", "own_capitals_first")
    by_id = {row["id"].removeprefix("lm-eval:"): row for row in questions(pytester)}
    assert by_id["own_pages/own_pages/2"]["prompt"] == "It was late."
    (given, alone) = by_id["own_causes/own_causes/0"]["parts"]
    assert given["prompt"].startswith("It rained") and alone["prompt"] == ""
    assert list(given["scores"]) == ["the moon was square", "the street was wet"]
    places = by_id["own_places/own_places/1"]
    assert [part["prompt"] for part in places["parts"]] == [
        "Anna thanked Maria because Anna",
        "Anna thanked Maria because Maria",
    ]
    capital = by_id["own_capitals_first/own_capitals_first/1"]
    assert capital["prompt"].count("What is the capital of") == 4
    assert (capital["answer"], capital["target"]) == (next(iter(capital["scores"])), "Tokyo")
    assert capital["metrics"] == {"none": {"acc": 0.0, "acc_norm": 0.0}}


def test_shots_are_drawn_for_the_whole_task(pytester: pytest.Pytester) -> None:
    run(pytester, "own_capitals_random")
    whole = {row["id"]: row["prompt"] for row in questions(pytester)}
    assert len({prompt.split("\n\n")[0] for prompt in whole.values()}) > 3
    for more in (("-k", "[own_capitals_random-7]"), ("--llm-limit=7:8",), ("--llm-limit=2", "--llm-seed=3")):
        assert run(pytester, "own_capitals_random", more=more).ret == 0
        some = questions(pytester)
        assert 0 < len(some) <= 2
        for row in some:
            assert row["prompt"] == whole[row["id"]]


def test_the_first_documents(pytester: pytest.Pytester) -> None:
    assert run(pytester, "own_weighted", more=("--llm-limit=2",)).ret == 0
    found = numbers(pytester)["lm-eval:own_weighted"]
    assert {name: task["documents"] for name, task in found["tasks"].items()} == {
        "own_capitals_first": 2, "own_causes": 2, "own_places": 2,
    }  # fmt: skip


def test_nothing_is_asked_or_scored_twice(pytester: pytest.Pytester) -> None:
    save_tiny(pytester.path / "tiny", template=None)
    own = (*(f"--llm-benchmark=lm-eval:{name}" for name in ("own_weighted", "own_pages")), OWN[1])
    harness_tasks.write(pytester.path / "tasks")
    model = "--llm-model=hf:tiny"
    assert pytester.runpytest_subprocess(model, *own, "-k", "causes or pages").ret == 0
    asked = [row["id"] for row in questions(pytester)]
    assert len(asked) == 6 + 4
    assert pytester.runpytest_subprocess(model, *own).ret == 0
    assert [row["id"] for row in questions(pytester) if row["cached"]] == asked
    first = numbers(pytester)
    assert pytester.runpytest_subprocess(model, *own, "-n2", "--llm-run-name=again").ret == 0
    assert all(row["cached"] for row in questions(pytester))
    assert numbers(pytester) == first
    assert pytester.runpytest_subprocess("--llm-replay=again", *own).ret == 0
    assert numbers(pytester) == first


def test_a_gate_on_one_task_of_a_group(pytester: pytest.Pytester) -> None:
    for floor, status in ((0.4, 0), (0.6, 1)):
        gate = f"--llm-fail-under=lm-eval:own_weighted:own_causes={floor}"
        assert run(pytester, "own_weighted", more=(gate,)).ret == status
    done = run(pytester, "own_weighted", more=("--llm-fail-under=lm-eval:own_weighted:causes=0.5",))
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*did you mean 'own_causes'?*"])


def test_a_test_of_one_s_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.llmeval("lm-eval:own_causes")
        def test_it(question, llm):
            assert llm.answer(question) == "the street was wet"
    """)
    harness_tasks.write(pytester.path / "tasks")
    assert pytester.runpytest_subprocess(*OWN, "--llm-limit=1").ret == 0
    assert numbers(pytester)["lm-eval:own_causes"]["tasks"]["own_causes"]["documents"] == 1


def test_prompts_are_shown(pytester: pytest.Pytester) -> None:
    done = run(pytester, "own_last_word", more=("--llm-show-prompts", "--llm-limit=1"))
    done.stdout.fnmatch_lines(["*over the lazy", "*scored continuations: ' dog'"])


def test_a_document_that_cannot_be_scored_is_its_own_error(pytester: pytest.Pytester) -> None:
    harness_tasks.write(pytester.path / "tasks", [])
    (pytester.path / "tasks/broken.py").write_text(
        "def judge(doc, results):\n    return {'acc': 1 / (doc['word'] != 'time')}\n"
    )
    write_task(pytester, "own_broken", process_results="JUDGE", metric_list=[{"metric": "acc"}])
    path = pytester.path / "tasks/own_broken.yaml"
    path.write_text(path.read_text().replace('"JUDGE"', "!function broken.judge"))
    done = run(pytester, "own_broken")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*own_broken/2*cannot grade this: ZeroDivisionError: division by zero*"])
    (result,) = results(pytester)["results"]
    assert (result["counts"]["correct"], result["counts"]["error"]) == (5, 1)
    assert result["lm_eval"]["tasks"]["own_broken"]["documents"] == 5


def test_what_cannot_be_added_up_is_said_where_its_number_would_be(pytester: pytest.Pytester) -> None:
    harness_tasks.write(pytester.path / "tasks", ["own_functions"])
    functions = pytester.path / "tasks/own_functions.py"
    functions.write_text(functions.read_text().replace("return max(items)", "return items.no_such"))
    assert run(pytester, "own_functions").ret == 0
    found = numbers(pytester)["lm-eval:own_functions"]["tasks"]["own_functions"]
    assert found["letters,first-word"] == "AttributeError: 'list' object has no attribute 'no_such'"
    assert found["acc,first-word"] == 0.0


@pytest.mark.parametrize(
    ("name", "config", "more", "said"),
    [
        ("own_lines", {}, ("--llm-benchmark=lm-eval:own_line",), "*'own_line'*did you mean 'own_lines'?*"),
        ("own_hub", {"dataset_path": "nobody/nothing"}, (), "*own_hub cannot be loaded*on the Hub*"),
        ("own_hub", {"dataset_path": "nobody/nothing"}, ("-n2",), "*own_hub cannot be loaded*on the Hub*"),
        ("own_bad", {"doc_to_text": "{{nothing.there}}"}, (), "*cannot be loaded*'nothing' is undefined"),
        ("own_beams", {"generation_kwargs": {"num_beams": 4}}, (), "*own_beams*num_beams=4"),
        ("own_code", {"unsafe_code": True}, (), "*own_code runs code written by the model*"),
        ("own_lines", {}, ("--llm-lm-eval-path=nowhere",), "*--llm-lm-eval-path=*nowhere is not a folder*"),
        ("own_lines", {}, ("--llm-repeats=2",), "*do not support --llm-repeats*"),
        ("own_lines", {}, ("--llm-split=dev",), "*its split is 'test'*"),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_is_one_line(
    pytester: pytest.Pytester, name: str, config: dict[str, Any], more: tuple[str, ...], said: str
) -> None:
    write_task(pytester, name, **config)
    done = run(pytester, name, more=more)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in (*done.outlines, *done.errlines) if line.startswith("ERROR")]
    assert fnmatch(line, said)
    assert "Traceback" not in done.stdout.str() + done.stderr.str()
    assert not (pytester.path / "reports").exists()


def test_without_the_library(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import importlib.util

        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *of: None if name == "lm_eval" else find(name, *of)
    """)
    done = run(pytester, "own_words")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["*need lm-evaluation-harness; pip install 'pytest-llmeval-harness[[]lm-eval]'"]
    )


def test_the_library_is_imported_only_for_its_tasks(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import sys

        def pytest_unconfigure():
            print("IMPORTED", [name for name in ("lm_eval", "datasets", "numpy") if name in sys.modules])
    """)
    done = pytester.runpytest_subprocess("--llm-model=echo", "--llm-benchmark=mini", "--llm-limit=1")
    done.stdout.fnmatch_lines(["IMPORTED []"])
    run(pytester, "own_words").stdout.fnmatch_lines(["IMPORTED [[]'lm_eval', 'datasets', 'numpy']"])


def test_turns_reach_a_chat_api_as_messages(pytester: pytest.Pytester) -> None:
    with Server() as server:
        harness_tasks.write(pytester.path / "tasks", ["own_sums"])
        done = pytester.runpytest_subprocess(
            "--llm-model=openai:m",
            f"--llm-base-url={server.url}",
            "--llm-benchmark=lm-eval:own_sums",
            "--llm-lm-eval-path=tasks",
            "--llm-lm-eval-chat",
            "--llm-system=Be brief.",
            "--llm-limit=1",
        )
        assert done.ret == 0
    roles = [turn["role"] for turn in server.bodies[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert server.bodies[-1]["messages"][0]["content"] == "Be brief."
