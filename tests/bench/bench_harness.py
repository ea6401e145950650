"""What the harness costs beside bare pytest, on generated questions in C-Eval's layout.

    tox -e bench -- --benchmark-columns=min,median,rounds --benchmark-sort=name

Each measurement is a whole process, so imports and start-up count. "bare" is pytest with as many
trivial parametrized tests and without this plugin.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_llmeval.suites import catalog

COLLECTED = 12_342  # C-Eval's test split
ASKED = 10_000
ROUNDS = 3
_ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
_PLAIN = ("-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "no:hypothesispytest", "-p", "no:xdist")


def write_questions(folder: Path, count: int, answer: str) -> None:
    """``count`` questions over C-Eval's subjects; no answers in the test split."""
    subjects = list(catalog.load(catalog.packaged()["ceval"]).subjects)
    for split, number in (("dev", 5 * len(subjects)), ("val", count), ("test", count)):
        place = folder / "ceval/formal_ceval" / split
        place.mkdir(parents=True)
        for index, subject in enumerate(subjects):
            with (place / f"{subject}_{split}.csv").open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file)
                gold = split != "test"
                table.writerow(["id", "question", *"ABCD", *(["answer"] if gold else [])])
                for row in range(number * index // len(subjects), number * (index + 1) // len(subjects)):
                    key = row - number * index // len(subjects)
                    text = f"关于{subject}的第{key}个问题：下列说法中哪一项是正确的？" * 2
                    choices = [f"选项{letter}，编号{row}" for letter in "ABCD"]
                    table.writerow([key, text, *choices, *([answer] if gold else [])])


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    for count in (COLLECTED, ASKED):
        (folder / f"test_{count}.py").write_text(
            "import pytest\n\n\n@pytest.fixture(scope='session')\ndef llm():\n    return None\n\n\n"
            f"@pytest.mark.parametrize('question', [f'subject-{{n}}' for n in range({count})])\n"
            "def test_bare(question, llm):\n    assert question\n"
        )
    return folder


@pytest.fixture(scope="session", params=["A", "B"], ids=["all-right", "all-wrong"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions whose gold answer is what echo says, or is not."""
    folder = tmp_path_factory.mktemp("asked")
    write_questions(folder, ASKED, request.param)
    return folder


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collected")
    write_questions(folder, COLLECTED, "A")
    return folder


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *_PLAIN, *arguments],
        cwd=folder,
        env=_ENV,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def ours(data: Path, *arguments: str) -> tuple[str, ...]:
    return ("--llm-model=echo", "--llm-benchmark=ceval", f"--llm-data-dir={data}", *arguments)


@pytest.fixture
def measure(benchmark):  # type: ignore[no-untyped-def]
    """Time whole runs in ``folder``."""

    def measured(folder: Path, *arguments: str) -> None:
        benchmark.pedantic(run, (folder, *arguments), rounds=ROUNDS, iterations=1, warmup_rounds=0)

    return measured


def bench_collect_bare(measure, bare: Path) -> None:  # type: ignore[no-untyped-def]
    measure(bare, f"test_{COLLECTED}.py", "--co", "-p", "no:llmeval")


def bench_collect_llmeval(measure, collected: Path) -> None:  # type: ignore[no-untyped-def]
    measure(collected, *ours(collected, "--co", "--llm-split=test"))


def bench_run_bare(measure, bare: Path) -> None:  # type: ignore[no-untyped-def]
    measure(bare, f"test_{ASKED}.py", "-p", "no:llmeval")


def bench_run_llmeval(measure, asked: Path) -> None:  # type: ignore[no-untyped-def]
    measure(asked, *ours(asked))


def _peak_bytes(folder: Path, arguments: Sequence[str]) -> int:
    code = (
        "import resource, sys, pytest\n"
        "pytest.main(sys.argv[1:])\n"
        "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "-q", *_PLAIN, *arguments],
        cwd=folder,
        env=_ENV,
        capture_output=True,
        text=True,
    )
    return int(done.stdout.rsplit("PEAK ", 1)[1])


def bench_memory_a_question(benchmark, asked: Path) -> None:  # type: ignore[no-untyped-def]
    """Growth of the peak between a tenth and all of the questions; in ``extra_info``, not timed."""
    few = ASKED // 520  # of each of the 52 subjects

    def growth() -> float:
        least = _peak_bytes(asked, ours(asked, f"--llm-limit={few}"))
        return (_peak_bytes(asked, ours(asked)) - least) / (ASKED - 52 * few)

    benchmark.extra_info["bytes_a_question"] = benchmark.pedantic(growth, rounds=1)
