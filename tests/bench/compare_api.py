"""Questions a second behind an API, against what the server's latency allows, and beside other harnesses.

    python tests/bench/compare_api.py --out=api.json \\
        --inspect-python=VENV/bin/python --evalscope-python=VENV/bin/python

A server on the loopback (``tests/server.py``) answers each request after a fixed time, however many
there are. Each measurement is a whole process. The *floor* is questions * latency / in flight; the
time of asking is from the first request to the last reply, as the server sees it. The other two
need environments of their own: ``pip install inspect-ai openai``, ``pip install evalscope``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from timed import Cost, timed

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.api_server import Reply, Server, completion
from tests.support.fault_server import write_benchmark

_INSPECT_TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def questions(count=1):
    samples = [Sample(input=f"question {row}?", target="A", id=row + 1) for row in range(count)]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=includes())
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One process that asked ``questions``, at most ``most`` at once as the server saw it."""

    harness: str
    in_flight: str
    latency_s: float
    questions: int
    floor_s: float
    wall_s: float
    start_s: float
    asking_s: float
    cpu_s: float
    peak_mb: float
    most: int

    def __str__(self) -> str:
        return (
            f"{self.harness:10} {self.in_flight:>4} in flight, {self.latency_s * 1000:3.0f} ms, "
            f"{self.questions:5} questions: floor {self.floor_s:6.2f} s, asking {self.asking_s:6.2f} s "
            f"({self.asking_s / self.floor_s:5.2f} x, {self.questions / self.asking_s:7.1f}/s), "
            f"first request after {self.start_s:5.2f} s, whole {self.wall_s:6.2f} s, "
            f"CPU {self.cpu_s / self.questions * 1000:5.2f} s a thousand, at most {self.most} at once, "
            f"peak {self.peak_mb:.0f} MB"
        )


def main() -> None:
    """Measure, print, and write --out."""
    options = _options()
    found = []
    with tempfile.TemporaryDirectory(prefix="compare-api-") as temporary:
        for round_ in range(options.rounds):
            for latency in options.latency:
                for in_flight in options.in_flight:
                    for name, command in _harnesses(options):
                        folder = Path(temporary) / f"{name}-{round_}-{latency}-{in_flight}"
                        one = _measure(name, command, in_flight, latency, options.questions, folder)
                        found.append(one)
                        print(one, flush=True)
    _print_medians(found)
    if options.out:
        options.out.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", "utf-8")


Command = Callable[[Server, str, int, Path], list[str]]


def _harnesses(options: argparse.Namespace) -> list[tuple[str, Command]]:
    harnesses: list[tuple[str, Command]] = [("ours", _ours)]
    if options.inspect_python:
        harnesses.append(("inspect_ai", lambda *given: _inspect(options.inspect_python, *given)))
    if options.evalscope_python:
        harnesses.append(("evalscope", lambda *given: _evalscope(options.evalscope_python, *given)))
    return harnesses


def _measure(
    harness: str, command: Command, in_flight: str, latency: float, most: int, folder: Path
) -> Measured:
    at_once = 16 if in_flight == "auto" else int(in_flight)
    questions = min(max(round(10 * at_once / latency), 50), most)
    write_benchmark(folder.parent / f"{folder.name}-data", questions)
    with Server(latency=latency, usual=Reply(completion("ANSWER: A"))) as server:
        data = folder.parent / f"{folder.name}-data/faulty"
        environment = {"LOCAL_BASE_URL": server.url, "LOCAL_API_KEY": "none", "OPENAI_API_KEY": "none"}
        cost: Cost = timed(command(server, in_flight, questions, data), folder, environment)
        if len(server.bodies) != questions:
            sys.exit(f"{harness} sent {len(server.bodies)} requests for {questions} questions")
        return Measured(
            harness,
            in_flight,
            latency,
            questions,
            questions * latency / at_once,
            cost.wall_s,
            server.times[0] - cost.began,
            server.times[-1] - server.times[0] + latency,
            cost.cpu_s,
            cost.peak_mb,
            server.most_in_flight,
        )


def _ours(server: Server, in_flight: str, questions: int, data: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--llm-benchmark={data}"),
        *("--llm-model=openai:m", f"--llm-base-url={server.url}", f"--llm-concurrency={in_flight}"),
        *("--llm-cache-dir=cache", "--llm-report-dir=reports"),
    ]


def _inspect(python: str, server: Server, in_flight: str, questions: int, data: Path) -> list[str]:
    task = data / "task.py"
    task.write_text(_INSPECT_TASK)
    return [
        # it takes relative paths only; each process has a folder beside its data
        *(str(Path(python).parent / "inspect"), "eval", f"../{data.parent.name}/{data.name}/task.py"),
        *("-T", f"count={questions}"),
        *("--model", "openai-api/local/m", "--max-connections", in_flight, "--max-samples", in_flight),
        *("--display", "none", "--log-dir", "logs"),
    ]


def _evalscope(python: str, server: Server, in_flight: str, questions: int, data: Path) -> list[str]:
    arguments = {"general_mcq": {"local_path": str(data / "data"), "subset_list": ["s0"], "few_shot_num": 0}}
    return [
        *(str(Path(python).parent / "evalscope"), "eval", "--model", "m", "--api-url", server.url),
        *("--api-key", "none", "--eval-type", "openai_api", "--datasets", "general_mcq"),
        *("--dataset-args", json.dumps(arguments), "--eval-batch-size", in_flight, "--work-dir", "out"),
    ]


def _print_medians(found: Sequence[Measured]) -> None:
    print(
        "\n| harness | in flight | latency | questions | floor | asking | whole process | CPU s a thousand |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for key in dict.fromkeys((one.harness, one.in_flight, one.latency_s) for one in found):
        same = [one for one in found if (one.harness, one.in_flight, one.latency_s) == key]
        asking, wall, cpu = (
            statistics.median(getattr(one, name) for one in same) for name in ("asking_s", "wall_s", "cpu_s")
        )
        first = same[0]
        print(
            f"| {key[0]} | {key[1]} | {key[2] * 1000:.0f} ms | {first.questions} | {first.floor_s:.2f} s "
            f"| {asking:.2f} s ({asking / first.floor_s:.2f} x) | {wall:.1f} s "
            f"| {cpu / first.questions * 1000:.2f} |"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--in-flight", nargs="*", default=["1", "32", "256"], help="numbers, or auto (ours)")
    parser.add_argument("--latency", nargs="*", type=float, default=[0.005, 0.05, 0.2], help="seconds")
    parser.add_argument("--questions", type=int, default=2000, help="at most so many in a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inspect-python", help="the Python of an environment with inspect-ai")
    parser.add_argument("--evalscope-python", help="the Python of an environment with evalscope")
    parser.add_argument("--out", type=Path, help="write all figures there, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
