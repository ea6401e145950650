"""Memory of a whole run of local weights over its questions: it must level off.

    python tests/bench/memory.py --model=FOLDER --questions=2000

The questions are made here, all of about the same length. Printed are the resident megabytes at every
tenth of the run, as the operating system counts them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timed import REPOSITORY

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.fault_server import write_benchmark

_BLOCKS = "▁▂▃▄▅▆▇█"


def main() -> None:
    """Run, look once a second, print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="memory-") as temporary:
        folder = Path(temporary)
        seen = _watch(folder, write_benchmark(folder, options.questions, subjects=4), options)
    started = next(at for at, (done, _) in enumerate(seen) if done)
    most = max(memory for _, memory in seen)
    print("".join(_BLOCKS[min(int(8 * memory / (most + 1)), 7)] for _, memory in seen[started:]))
    for tenth in range(1, 11):
        part = [memory for done, memory in seen[started:] if done <= options.questions * tenth / 10]
        print(f"{options.questions * tenth // 10:6} questions: {part[-1]:7.0f} MB, peak {max(part):7.0f} MB")


def _watch(folder: Path, benchmark: Path, options: argparse.Namespace) -> list[tuple[int, float]]:
    """Questions answered and resident megabytes, a second apart."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--llm-model=hf:{options.model}"),
        *(f"--llm-benchmark={benchmark}", "--llm-max-tokens=8"),
        *("--llm-no-cache", "--llm-run-name=run", "--llm-report-dir=reports"),
    ]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "HOME": str(folder)}
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    questions = folder / "reports/run/questions.jsonl"
    seen = []
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
        done = questions.read_bytes().count(b"\n") if questions.is_file() else 0
        seen.append((done, int(resident.split()[1]) / 1024))
        time.sleep(1)
    if process.returncode:
        sys.exit(f"the run ended with exit code {process.returncode}")
    return [(done, memory) for done, memory in seen if memory]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="a folder with weights")
    parser.add_argument("--questions", type=int, default=2000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
