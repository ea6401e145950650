"""A new kind of suite is one class and one entry: here, questions from a database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from pytest_llmeval.core.sources import SOURCES, prefix_of
from pytest_llmeval.suites.folder_suite import FolderSource
from pytest_llmeval.suites.source import source_of

#: the one file that somebody would write
SOURCE = """
import hashlib
import sqlite3
from pathlib import Path

from pytest_llmeval import (
    BenchmarkInfo, EvalConditions, Grade, Question, Request, Source, Suite, TextPrompt, UserError
)


class DatabaseSuite(Suite):
    def request(self, question, model):
        return Request(TextPrompt(question.fields["question"]), choices={"yes": " yes", "no": " no"})

    def read(self, question, completion):
        return max(completion.scores, key=completion.scores.get)

    def grade(self, question, completion, model, judgement):
        answer = self.read(question, completion)
        right = answer == question.answer
        return Grade(answer, question.answer, float(right), correct=right)


class DatabaseSource(Source):
    node_name = "db"

    def place(self, name, near):
        path = near / name.removeprefix("db:")
        if not path.is_file():
            raise UserError(f"{name}: no such database")
        return path

    def outline(self, name, place, settings):
        return ("all",), ("facts",)

    def load(self, name, place, settings, only=None):
        rows = sqlite3.connect(place).execute("select key, question, answer from questions").fetchall()
        questions = [
            Question(name, "facts", key, {"question": question}, {}, answer) for key, question, answer in rows
        ]
        digest = hashlib.sha256(place.read_bytes()).hexdigest()
        conditions = EvalConditions("logprob", "all", 0, "prompt", digest)
        info = BenchmarkInfo(
            name, {"facts": ("Facts", "")}, {"all": ("facts",)}, conditions, {"facts": len(rows)}, 0
        )
        return DatabaseSuite(info, questions, [place]), ("read from a database",)
"""


@pytest.fixture
def database(pytester: pytest.Pytester) -> None:
    """A database of three questions, and its source, entered as a prefix."""
    pytester.makepyfile(database=SOURCE)
    pytester.makeconftest(
        "from pytest_llmeval.core.sources import SOURCES\nSOURCES['db'] = 'database:DatabaseSource'\n"
    )
    pytester.syspathinsert()
    with sqlite3.connect(pytester.path / "facts.sqlite3") as connection:
        connection.execute("create table questions (key, question, answer)")
        rows = [("a", "Is water wet?", "yes"), ("b", "Is fire cold?", "no"), ("c", "Is ice cold?", "yes")]
        connection.executemany("insert into questions values (?, ?, ?)", rows)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_questions_from_a_database(pytester: pytest.Pytester, database: None, workers: str) -> None:
    run = ("--llm-model=echo", "--llm-benchmark=db:facts.sqlite3", workers)
    gates = ("--llm-fail-under=db:facts.sqlite3:all=0.6", "--llm-fail-under=db:facts.sqlite3=0.7")
    done = pytester.runpytest_subprocess("-p", "conftest", *run, *gates)
    (result,) = json.loads((pytester.path / "reports/latest/results.json").read_text("utf-8"))["results"]
    assert (result["benchmark"], result["counts"]["correct"], result["counts"]["wrong"]) == (
        "db:facts.sqlite3",
        2,
        1,
    )
    done.stdout.fnmatch_lines(["llmeval: read from a database", "gate *=0.6: PASS*", "gate *=0.7: FAIL*"])
    assert done.ret == 1


def test_a_part_of_a_database(pytester: pytest.Pytester, database: None) -> None:
    run = ("-p", "conftest", "--llm-model=echo")
    done = pytester.runpytest_subprocess(*run, "--llm-benchmark=db:facts.sqlite3:all")
    assert done.ret == 0
    (result,) = json.loads((pytester.path / "reports/latest/results.json").read_text("utf-8"))["results"]
    assert (result["benchmark"], result["counts"]["requested"]) == ("db:facts.sqlite3", 3)
    done = pytester.runpytest_subprocess(*run, "--llm-benchmark=db:facts.sqlite3:fact")
    done.stderr.fnmatch_lines(["ERROR: unknown group or subject of db:facts.sqlite3 'fact'*'facts'?"])


def test_an_unknown_one_is_a_usage_error(pytester: pytest.Pytester, database: None) -> None:
    done = pytester.runpytest_subprocess(
        "-p", "conftest", "--llm-model=echo", "--llm-benchmark=db:other.sqlite3"
    )
    assert done.ret == 4
    done.stderr.fnmatch_lines(["ERROR: db:other.sqlite3: no such database"])


def test_the_prefix_names_the_source() -> None:
    assert [prefix_of(name) for name in ("lm-eval:arc", "ceval", "ceval:stem", "C:/x.csv", "lm-eval")] == [
        "lm-eval",
        "",
        "",
        "",
        "",
    ]
    assert type(source_of("lm-eval:arc")).__name__ == "TaskSource"
    assert isinstance(source_of("ceval"), FolderSource)
    assert all(source_of(f"{prefix}:x").node_name for prefix in SOURCES)


def test_a_file_without_tests_gets_one_for_each_name(tmp_path: Path) -> None:
    source = source_of("lm-eval:x")
    tests = source.tests(tmp_path, ["lm-eval:a-b", "lm-eval:a_b"])
    assert tests == {"test_a_b": "lm-eval:a-b", "test_a_b_": "lm-eval:a_b"}
