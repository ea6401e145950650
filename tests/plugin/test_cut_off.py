"""A run in which the token limit cuts answers off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

#: an answer that is cut off before, or after, it states a choice; every third is complete
CONFTEST = """
import zlib

from pytest_llmeval import Completion, run_batches

TEXTS = [
    ("B", "stop"),
    ("First, A is wrong, because we so often", "length"),
    ("The answer is B. And now", "length"),
]

class Cut:
    window = 16
    def check(self): pass
    def identity(self): return "cut"
    def run(self, jobs):
        def answer(batch):
            for job in batch:
                text, reason = TEXTS[zlib.crc32(str(job.request.prompt).encode()) % 3]
                job.finish(Completion(text=text, finish_reason=reason, latency_s=0.1))
        run_batches(jobs, answer, 16)

def pytest_llmeval_make_model(config, cache_dir):
    return Cut() if config.backend == "cut" else None
"""


@pytest.mark.parametrize("xdist", WORKERS)
def test_cut_off_answers_are_counted(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    pytester.makeconftest(CONFTEST)
    (pytester.path / "llmeval.toml").write_text('[models.cut]\nbackend = "cut"\n')
    done = pytester.runpytest("--llm-model=cut", "--llm-benchmark=tiny", xdist)
    (result,) = results(pytester)["results"]
    rows = list(questions(pytester))
    cut = [row for row in rows if row["finish_reason"] == "length"]
    assert cut
    assert result["cut_off"]["answers"] == len(cut)
    assert {row["answer"] for row in cut if row["text"].startswith("First")} <= {None}
    assert {row["answer"] for row in cut if row["text"].startswith("The answer")} <= {"B"}
    assert sum(subject["cut_off"] for subject in result["subjects"].values()) == len(cut)
    done.stdout.fnmatch_lines([f"cut off by the token limit: {len(cut)} of {len(rows)} answers*"])
