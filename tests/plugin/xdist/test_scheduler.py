"""xdist with questions: the same results as without, few large batches, and no question lost to a crash."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmeval.plugin.xdist.scheduler import SliceScheduling
from pytest_llmeval.plugin.xdist.slices import Key
from tests.support.api_server import Server

pytestmark = pytest.mark.slow  # many runs with workers that crash

TOML = """
name = "many"
title = "Many"
split = "val"
shots = 0

[data]
paths = ["data/{split}/{subject}_{split}.csv"]

[prompts.generate]
user = "{{ question }}\\nA. {{ A }}\\nB. {{ B }}\\nC. {{ C }}\\nD. {{ D }}\\nAnswer:"

[subjects]
birds = {name = "Birds", zh = "鸟类", groups = ["nature"]}
logic = {name = "Logic", zh = "逻辑", groups = ["thought", "hard"]}
rocks = {name = "Rocks", zh = "岩石", groups = ["nature"]}
"""
SIZES = {"birds": 30, "logic": 90, "rocks": 40}
#: a model that says in which batches it was asked
BATCHES = """
import os, pathlib, time
from pytest_llmeval import Completion, run_batches

class Batched:
    window = 32
    def check(self): pass
    def identity(self): return "batched"
    def run(self, jobs):
        run_batches(jobs, self.answer, 32)
    def answer(self, batch):
        time.sleep(0.05)
        with open("batches.txt", "a") as file:
            file.write(f"{len(batch)}\\n")
        for job in batch:
            job.finish(Completion(text="A"))

def pytest_llmeval_make_model(config, cache_dir):
    return Batched() if config.backend == "batched" else None
"""
KILLS = """
import os, pathlib, signal
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    if "[" in item.name and item.name.split("[")[1].startswith(KILLERS):
        marker = pathlib.Path("killed.txt")
        with marker.open("a") as file:
            file.write(item.name + "\\n")
        if ALWAYS or marker.read_text().count(item.name) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def many(pytester: pytest.Pytester) -> Path:
    """160 questions in three subjects; who always says A is right for a quarter."""
    folder = pytester.path / "many"
    (folder / "data/val").mkdir(parents=True)
    for subject, rows in SIZES.items():
        lines = ["id,question,A,B,C,D,answer"]
        lines += [f"{n},{subject} question {n}?,one,two,three,four,{'ABCD'[n % 4]}" for n in range(rows)]
        (folder / f"data/val/{subject}_val.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "benchmark.toml").write_text(TOML, "utf-8")
    return folder


def found(pytester: pytest.Pytester) -> tuple[object, list[tuple[object, ...]]]:
    """What a run counted, and each of its questions."""
    latest = pytester.path / "reports/latest"
    (result,) = json.loads((latest / "results.json").read_text("utf-8"))["results"]
    subjects = {name: subject["counts"] for name, subject in result["subjects"].items()}
    rows = map(json.loads, (latest / "questions.jsonl").read_text("utf-8").splitlines())
    told = ("id", "nodeid", "outcome", "answer", "target", "prompt", "error")
    return (result["counts"], subjects), [tuple(row[name] for name in told) for row in rows]


def run(pytester: pytest.Pytester, *args: str, model: str = "echo") -> pytest.RunResult:
    base = (f"--llm-model={model}", "--llm-benchmark=many", "--llm-no-cache", "-p", "no:cacheprovider")
    return pytester.runpytest_subprocess(*base, *args)


def kill(pytester: pytest.Pytester, *starts: str, always: bool = False) -> None:
    pytester.makeconftest(KILLS.replace("KILLERS", repr(starts)).replace("ALWAYS", repr(always)))


def test_any_number_of_workers_finds_the_same(pytester: pytest.Pytester, many: Path) -> None:
    runs = {}
    for workers in ("-n0", "-n2", "-n3"):
        assert run(pytester, workers).ret == 0
        runs[workers] = found(pytester)
    assert len(runs["-n0"][1]) == 160
    assert runs["-n2"] == runs["-n0"]
    assert runs["-n3"] == runs["-n0"]


def test_a_killed_worker_loses_and_doubles_nothing(pytester: pytest.Pytester, many: Path) -> None:
    assert run(pytester, "-n0").ret == 0
    whole = found(pytester)
    kill(pytester, "birds-12]", "logic-70]")
    done = run(pytester, "-n2")
    assert done.ret == 0
    assert (pytester.path / "killed.txt").read_text().count("logic-70") == 2
    assert found(pytester) == whole
    done.stdout.fnmatch_lines(["*replacing crashed worker*"])
    done.stdout.no_fnmatch_line("*crashed while running*")


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_question_that_always_kills_is_one_error(
    pytester: pytest.Pytester, many: Path, repeats: int
) -> None:
    kill(pytester, "logic-40]", always=True)
    done = run(pytester, "-n2", f"--llm-repeats={repeats}")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    (counts, _), rows = found(pytester)
    assert counts["requested"] == 160 * repeats  # type: ignore[index]
    assert counts["error"] == repeats  # type: ignore[index]
    errors = [row for row in rows if row[2] == "error"]
    assert [row[0] for row in errors] == ["many/logic/40"] * repeats
    assert "two workers crashed on this question" in str(errors[0][-1])
    assert Counter(row[0] for row in rows) == dict.fromkeys((row[0] for row in rows), repeats)
    assert (pytester.path / "killed.txt").read_text().count("logic-40") == 2
    done.stdout.fnmatch_lines(["*1 failed*"])


def test_a_question_that_kills_in_the_model_is_the_one_blamed(pytester: pytest.Pytester, many: Path) -> None:
    """The model works on it in a batch, while pytest is at another one."""
    pytester.makeconftest(
        BATCHES.replace(
            "        time.sleep(0.05)",
            "        if any('logic question 40?' in str(job.request.prompt) for job in batch):\n"
            "            os._exit(9)",
        )
    )
    done = run(pytester, "-n2", "--llm-allow-errors=1", model="batched:x")
    assert done.ret == 0
    (counts, _), rows = found(pytester)
    assert counts["requested"] == 160 and counts["error"] == 1  # type: ignore[index]
    assert [row[0] for row in rows if row[2] == "error"] == ["many/logic/40"]
    assert len({row[0] for row in rows}) == len(rows) == 160
    assert done.stdout.str().count("replacing crashed worker") == 2


@pytest.mark.parametrize("stop", ["-x", "--maxfail=1"])
def test_a_question_given_up_counts_for_maxfail(pytester: pytest.Pytester, many: Path, stop: str) -> None:
    kill(pytester, "birds-3]", always=True)
    done = run(pytester, "-n1", stop)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(["*stopping after 1 failures*"])
    assert len(found(pytester)[1]) < 160


def test_an_allowed_error_is_forgiven(pytester: pytest.Pytester, many: Path) -> None:
    kill(pytester, "rocks-3]", always=True)
    assert run(pytester, "-n2", "--llm-allow-errors=1").ret == 0


def test_without_workers_left_the_run_has_failed(pytester: pytest.Pytester, many: Path) -> None:
    kill(pytester, "birds-2]", "logic-60]")
    done = run(pytester, "-n2", "--max-worker-restart=0")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*items were not run: too many workers crashed*", "incomplete: *"])


@pytest.mark.parametrize("workers", ["-n2", "-n3"])
def test_ordinary_tests_run_beside(pytester: pytest.Pytester, many: Path, workers: str) -> None:
    pytester.makepyfile(
        """
        import os, pathlib, pytest

        @pytest.mark.parametrize("number", range(25))
        def test_own(number):
            assert number != 7

        def test_dies():
            os._exit(3)
        """
    )
    done = run(pytester, workers, "test_ordinary_tests_run_beside.py")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*crashed while running*test_dies*"])
    done.stdout.fnmatch_lines(["*2 failed, 24 passed,*41 correct, 119 wrong*"])


def test_batches_stay_full(pytester: pytest.Pytester, many: Path) -> None:
    pytester.makeconftest(BATCHES)
    sizes = {}
    for workers in ("-n0", "-n2"):
        assert run(pytester, workers, model="batched:x").ret == 0
        batches = pytester.path / "batches.txt"
        sizes[workers] = [int(line) for line in batches.read_text().split()]
        batches.unlink()
        assert sum(sizes[workers]) == 160
    # each worker has a first batch and a last of its own, and some while it waits for the next slice
    assert len(sizes["-n2"]) <= 2 * len(sizes["-n0"]) + 4


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        yield one


@pytest.mark.parametrize("args", [("-n2",), ("-n3",), ("-n2", "--dist=worksteal")])
def test_each_question_is_asked_once(
    pytester: pytest.Pytester, many: Path, server: Server, args: tuple[str, ...]
) -> None:
    assert run(pytester, *args, f"--llm-base-url={server.url}", model="openai:m").ret == 0
    asked = Counter(body["messages"][-1]["content"].splitlines()[0] for body in server.bodies)
    assert len(asked) == 160
    assert set(asked.values()) == {1}


class Worker:
    """A worker as xdist runs it: an item begins when it is known what comes after it."""

    def __init__(self, name: str, alone: Sequence[int] = ()) -> None:
        self.alone = alone
        self.gateway = SimpleNamespace(id=name)
        self.queue: list[int] = []
        self.shutting_down = False

    def asked(self, keys: Sequence[Key | None]) -> list[int]:
        """What may be under way in its model while it runs its first item."""
        if keys[self.queue[0]] is None:
            return []
        if self.queue[0] in self.alone:
            return self.queue[:1]
        return [place for place in self.queue if keys[place] is not None]

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        assert not self.shutting_down
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.queue) > (0 if self.shutting_down else 1)


def make_scheduler(
    keys: Sequence[Key | None],
    workers: int,
    chunk: int | None = None,
    given_up: list[str] | None = None,
    may_ask: Callable[[Any, str], bool] = lambda node, model: True,
) -> Any:
    config: Any = SimpleNamespace(
        getvalue=lambda name: ["popen"] * workers, getoption=lambda name: chunk, hook=None
    )
    told: list[str] = [] if given_up is None else given_up
    scheduler: Any = SliceScheduling(
        config, None, lambda: keys, lambda node, item: False, lambda node, item: told.append(item), may_ask
    )
    scheduler.log = lambda *words: None
    return scheduler


def start(scheduler: Any, worker: Worker, keys: Sequence[Key | None]) -> Worker:
    """As xdist starts the only worker, or the one in its place."""
    worker.alone = scheduler.assign_suspects(worker)
    scheduler.add_node(worker)
    scheduler.add_node_collection(worker, [f"test_it[{place}]" for place in range(len(keys))])
    scheduler.schedule()
    return worker


OURS: list[Key] = [("m", "b", "s"), ("m", "b", "t"), ("n", "b", "s")]


@given(
    st.lists(st.tuples(st.sampled_from([None, *OURS]), st.integers(1, 60)), min_size=1, max_size=8),
    st.integers(1, 4),
    st.sets(st.integers(0, 300), max_size=4),
    st.sampled_from([None, 1, 5]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
@example(runs=[(None, 104)], number=1, killers={102}, chunk=None, in_model=False, dice=random.Random(0))
def test_every_item_runs_once_whoever_crashes(
    runs: list[tuple[Key | None, int]],
    number: int,
    killers: set[int],
    chunk: int | None,
    in_model: bool,
    dice: Any,
) -> None:
    """``in_model``: a question kills as soon as the model works on it, long before pytest comes to it."""
    keys = [key for key, length in runs for _ in range(length)]
    ids = [f"test_it[{place}]" for place in range(len(keys))]
    given_up: list[str] = []
    scheduler = make_scheduler(keys, number, chunk, given_up)
    workers = [Worker(f"gw{place}") for place in range(number)]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, ids)
    scheduler.schedule()
    done: Counter[int] = Counter()
    crashed: list[str] = []
    while able := [worker for worker in workers if worker.can_run]:
        worker = dice.choice(able)
        item = worker.queue[0]
        if item not in killers and not (in_model and killers & set(worker.asked(keys))):
            done[worker.queue.pop(0)] += 1
            scheduler.mark_test_complete(worker, item)
        else:
            workers.remove(worker)
            if (told := scheduler.remove_node(worker)) is not None:
                crashed.append(told)
            workers.append(Worker(f"gw{len(done)}-{item}"))  # as xdist replaces it
            workers[-1].alone = scheduler.assign_suspects(workers[-1])
            scheduler.add_node(workers[-1])
            scheduler.add_node_collection(workers[-1], ids)
            scheduler.schedule()
        if scheduler.tests_finished and not any(keys):
            for each in workers:  # as xdist's DSession does, and xdist's own scheduler expects
                each.shutdown()
    assert scheduler.tests_finished and not scheduler.has_pending
    dead = {place for place in killers if place < len(ids)}
    assert done == Counter(set(range(len(ids))) - dead)
    assert sorted(given_up) == sorted(ids[place] for place in dead if keys[place] is not None)
    assert sorted(crashed) == sorted(ids[place] for place in dead if keys[place] is None)
    assert all(worker.shutting_down for worker in workers)


def test_a_question_costs_two_workers_wherever_it_kills() -> None:
    """Also one that the model was asked ahead with 39 others: the next worker asks them one by one."""
    keys: list[Key | None] = [OURS[0]] * 40
    given_up: list[str] = []
    scheduler = make_scheduler(keys, 1, given_up=given_up)
    first = start(scheduler, Worker("gw0"), keys)
    assert first.queue and scheduler.remove_node(first) is None
    second = start(scheduler, Worker("gw1"), keys)
    while second.queue[0] != 7:
        scheduler.mark_test_complete(second, second.queue.pop(0))
    assert 7 in second.alone and scheduler.remove_node(second) is None
    assert given_up == ["test_it[7]"]


def test_a_worker_may_be_kept_from_a_model() -> None:
    keys: list[Key | None] = [OURS[0]] * 20 + [OURS[2]] * 20 + [None] * 6
    scheduler = make_scheduler(keys, 2, may_ask=lambda node, model: model == "m" or node.gateway.id == "gw0")
    workers = [Worker("gw0"), Worker("gw1")]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, [f"test_it[{place}]" for place in range(len(keys))])
    scheduler.schedule()
    ran: dict[str, list[int]] = {"gw0": [], "gw1": []}
    while able := [worker for worker in workers if worker.can_run]:
        worker = able[-1]  # who may ask less is always first
        ran[worker.gateway.id].append(worker.queue.pop(0))
        scheduler.mark_test_complete(worker, ran[worker.gateway.id][-1])
    assert sorted(ran["gw0"] + ran["gw1"]) == list(range(len(keys)))
    assert not set(ran["gw1"]) & set(range(20, 40))
    assert set(ran["gw1"]) & set(range(20)) and set(ran["gw1"]) & set(range(40, 46))


def test_a_worker_that_collected_something_else_is_given_nothing() -> None:
    keys: list[Key | None] = [OURS[0]] * 9
    scheduler = make_scheduler(keys, 1)
    scheduler.remove_node(start(scheduler, Worker("gw0"), keys))
    other = Worker("gw1")
    other.alone = scheduler.assign_suspects(other)
    scheduler.add_node(other)
    scheduler.add_node_collection(other, ["test_it[0]"])
    scheduler.schedule()
    assert other.shutting_down and not other.queue
    assert scheduler.remove_node(other) is None
    assert scheduler.unsent > 0
