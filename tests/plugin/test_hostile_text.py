"""What hostile texts of a model, a server or a file do to the terminal: nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.workers import WORKERS

HOSTILE = "::add-mask::x\n\x1b[2J\x9b31m\u202eevil\n##vso[task.complete]\n"
CONFTEST = f"""
from pytest_llmeval import Completion, run_batches

class Hostile:
    window = 4
    def __init__(self, long): self.long = long
    def check(self): pass
    def identity(self): return "hostile"
    def store_key(self, digest): return None
    def run(self, jobs):
        def answer(batch):
            for job in batch:
                if self.long == "error":
                    job.finish(Completion(error={HOSTILE!r}))
                else:
                    job.finish(Completion(text={HOSTILE!r} + "z" * (1_000_000 if self.long == "long" else 1)))
        run_batches(jobs, answer, 4)

def pytest_llmeval_make_model(config, cache_dir):
    return Hostile(config.target) if config.backend == "hostile" else None
"""


@pytest.fixture(autouse=True)
def hostile(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    tables = (
        f'[models.{name}]\nbackend = "hostile"\npath = "{name}"\n' for name in ("text", "long", "error")
    )
    (pytester.path / "llmeval.toml").write_text("".join(tables))
    (pytester.path / "q.jsonl").write_text(
        '{"question": "::add-mask::q \\u001b[2J", "answer": "\\u202egold\\n::error::x"}\n'
    )


def assert_safe(text: str) -> None:
    assert not set(text) & set("\x1b\x9b\x07\u202e\u0000")
    assert not [line for line in text.split("\n") if line.lstrip().startswith("::") or "##vso[" in line]


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize("model", ["text", "error"])
def test_strict_failures_and_errors(pytester: pytest.Pytester, model: str, xdist: str) -> None:
    junit = Path(pytester.path / "j.xml")
    done = pytester.runpytest(
        f"--llm-model={model}",
        "--llm-benchmark=q.jsonl",
        "--llm-strict",
        "-rA",
        f"--junit-xml={junit}",
        xdist,
    )
    assert done.ret == 1
    assert_safe(done.stdout.str())
    if model == "text":
        done.stdout.fnmatch_lines([r"  | \::add-mask::x", r"  | \x1b[[]2J\x9b31m\u202eevil"])


@pytest.mark.parametrize("on_ci", ["", "true"])
@pytest.mark.parametrize("xdist", WORKERS)
def test_a_long_answer_is_shown_once_and_cut(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, on_ci: str, xdist: str
) -> None:
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
    monkeypatch.setenv("CI", on_ci)  # pytest does not shorten its summary there
    done = pytester.runpytest(xdist, "--llm-model=long", "--llm-benchmark=q.jsonl", "--llm-strict")
    text = done.stdout.str()
    assert len(text) < 20_000
    assert text.count("(cut: 1,000,0") == 1


def test_prompts(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest("--llm-model=text", "--llm-benchmark=q.jsonl", "--llm-show-prompts")
    assert_safe(done.stdout.str())
    done.stdout.fnmatch_lines([r"\::add-mask::q \x1b[[]2J*"])
