"""The command that asks one question again."""

from __future__ import annotations

import shlex
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.results.rerun import Rerun

NODE = "benchmarks/cmmlu/test_cmmlu.py::test_cmmlu[agronomy-0]"


def test_a_packaged_benchmark() -> None:
    rerun = Rerun({"model": ["hf:/m"]}, {"m": "hf:/m"}, {"cmmlu": "cmmlu"})
    assert rerun.head("cmmlu", "m") == "pytest --llm-model=hf:/m --llm-benchmark=cmmlu --llm-refresh"
    assert rerun.selector("cmmlu", "m", "agronomy-0", NODE) == '-k "[agronomy-0]"'


def test_a_benchmark_of_several_tests() -> None:
    tests = {"b/test_one": "test_one", "b/x/test_two[brief]": "x/test_two[brief]"}
    rerun = Rerun({}, {}, dict.fromkeys(tests, "b"), tests=tests)
    assert rerun.selector("b/test_one", "m", "law-0", "test_b.py::test_one[law-0]") == '-k "test_one[law-0]"'
    node = "test_b.py::test_two[law-0-brief]"
    assert rerun.selector("b/x/test_two[brief]", "m", "law-0", node) == '-k "test_two[law-0-"'


def test_options_that_say_how_it_is_asked_are_kept_and_others_are_not() -> None:
    given_options = {
        "model": ["echo"],
        "shots": "3",
        "stop": ["\n\n", "Q:"],
        "stream": True,
        "trust_remote_code": False,
        "base_url": "http://me:secret@host/v1?key=secret",
        "limit": "5",
        "fail_under": ["0.5"],
        "judge": "openai:j",
        "allow_code": True,
        "strict": True,
        "badge": True,
        "run_name": "nightly",
        "report_dir": "out",
    }
    head = Rerun(given_options, {"echo": "echo"}, {"b": "my folder"}).head("b", "echo")
    assert shlex.split(head)[:3] == ["pytest", "--llm-model=echo", "--llm-benchmark=my folder"]
    judged = ("--llm-judge=openai:j", "--llm-allow-code")
    for kept in ("--llm-shots=3", "--llm-limit=5", "--llm-stream", "--llm-stop=Q:", *judged):
        assert kept in shlex.split(head)
    for left in ("secret", "fail-under", "strict", "badge", "run-name", "report-dir", "trust"):
        assert left not in head


def test_of_several_models_only_the_one_is_asked() -> None:
    rerun = Rerun({}, {"a": "hf:/a", "b": "openai:b"}, {}, Path("/repo"), Path("/repo/sub"))
    assert rerun.head("cmmlu", "b") == "pytest --llm-model=openai:b --llm-refresh"
    node = NODE.replace("]", "-b]")
    assert shlex.split(rerun.selector("cmmlu", "b", "agronomy-0", node)) == [f"../{NODE}"]


def test_a_model_of_the_config_file_alone_needs_no_option() -> None:
    assert (
        Rerun({}, {"puyu": "puyu"}, {"b": "b"}).head("b", "puyu") == "pytest --llm-benchmark=b --llm-refresh"
    )


def test_a_replayed_question_is_replayed_again() -> None:
    assert "--llm-refresh" not in Rerun({"replay": "latest"}, {}, {"b": "b"}).head("b", "m")


@given(st.text(), st.text())
def test_nothing_in_a_name_reaches_the_shell(name: str, rest: str) -> None:
    rerun = Rerun({}, {}, {"b": "b"})
    words = shlex.split(rerun.selector("b", "m", name, f"test_b.py::test[{rest}]"))
    assert words[:1] == ["-k"] or len(words) == 1
    selector = rerun.selector("b", "m", f"{name}$(evil)", f"test_b.py::test[{rest}$(evil)]")
    assert len(shlex.split(selector)) == 1
    assert selector.startswith("'")
