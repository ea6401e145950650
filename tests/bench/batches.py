"""In how many batches a model is asked under xdist: our slices beside xdist's own ``load``.

python tests/bench/batches.py --data-dir=DATA [--limit=20]

The model is made up: it takes up to 64 questions at a time and 50 ms for each batch, as a GPU would.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = """
import os, time
import pytest
from pytest_llmeval import Completion, run_batches

class Counting:
    window = 256
    def check(self): pass
    def identity(self): return "counting"
    def run(self, jobs):
        run_batches(jobs, self.answer, 64)
    def answer(self, batch):
        time.sleep(0.05)
        with open("batches.txt", "a") as file:
            file.write(f"{len(batch)}\\n")
        for job in batch:
            job.finish(Completion(text="A"))

def pytest_llmeval_make_model(config, cache_dir):
    return Counting() if config.backend == "counting" else None

@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if os.environ.get("WHOSE") == "xdist's":
        from xdist.scheduler import LoadScheduling
        return LoadScheduling(config, log)
"""


def run(folder: Path, workers: str, whose: str, args: list[str]) -> None:
    """One session in an empty folder; prints what it took."""
    (folder / "batches.txt").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", workers, "-p", "counting", "-p", "no:cacheprovider"]
    command += ["--llm-model=counting:x", "--llm-no-cache", "--llm-report-dir=reports", *args]
    environ = {**os.environ, "WHOSE": whose}
    environ["PYTHONPATH"] = f"{folder}:{environ.get('PYTHONPATH', '')}"
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    sizes = [int(line) for line in (folder / "batches.txt").read_text().split()]
    results = json.loads((folder / "reports/latest/results.json").read_text())
    shutil.rmtree(folder / "reports")
    ran, asked = results["run"]["duration_s"], sum(sizes)
    print(
        f"{workers} {whose:8} {asked} questions, {len(sizes)} batches, whole {seconds:.1f} s, run {ran:.1f} s"
    )


def main() -> None:
    """Every way, in turn, as often as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    args = [
        "--llm-benchmark=ceval",
        "--llm-benchmark=cmmlu",
        f"--llm-data-dir={Path(given.data_dir).resolve()}",
    ]
    args += [f"--llm-limit={given.limit}"] if given.limit else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "counting.py").write_text(PLUGIN)
        for _ in range(given.rounds):
            for workers, whose in (("-n0", "-"), ("-n2", "ours"), ("-n3", "ours"), ("-n2", "xdist's")):
                run(folder, workers, whose, args)


if __name__ == "__main__":
    main()
