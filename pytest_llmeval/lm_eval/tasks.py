"""A task, group or tag of lm-evaluation-harness, loaded and set up as its own ``simple_evaluate`` does.

Seeds, the number of shots and the order of steps are those of ``evaluator.py`` in version 0.4.13.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import inspect
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.types import Mode
from pytest_llmeval.lm_eval import generation

#: the first version whose ``TaskManager.load`` and groups this is written for
LEAST = (0, 4, 13)
# the defaults of simple_evaluate
_RANDOM_SEED = 0
_OTHER_SEED = 1234
_INSTALL = "pip install 'pytest-llmeval-harness[lm-eval]'"


class _Dice:
    """The random numbers of a task, apart from the session's own.

    Tasks may shuffle with Python's or numpy's global state, which lm-evaluation-harness seeds before it loads
    them; here both go on where the task left them.
    """

    def __init__(self) -> None:
        import numpy

        self._numpy: Any = numpy.random
        self._states: tuple[Any, Any] | None = None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        session = random.getstate(), self._numpy.get_state()
        if self._states is None:
            random.seed(_RANDOM_SEED)
            self._numpy.seed(_OTHER_SEED)
        else:
            random.setstate(self._states[0])
            self._numpy.set_state(self._states[1])
        try:
            yield
        finally:
            self._states = random.getstate(), self._numpy.get_state()
            random.setstate(session[0])
            self._numpy.set_state(session[1])


@dataclass(slots=True)
class Tasks:
    """What ``lm-eval:NAME`` stands for: its tasks by name, and the groups they belong to.

    ``tasks`` and ``groups`` hold the library's own objects.
    """

    name: str
    tasks: Mapping[str, Any]
    groups: Mapping[str, Any]
    version: str
    dice: _Dice
    #: the aggregations of each task; its own table grows while documents are scored
    aggregations: Mapping[str, Mapping[str, Any]]
    _instances: dict[str, tuple[int, Mapping[int, Sequence[Any]]]] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        """How many documents each task has."""
        return {name: len(_documents(task)) for name, task in self.tasks.items()}

    def shots(self) -> dict[str, int]:
        """How many shots each task asks with."""
        return {name: task.get_config("num_fewshot") or 0 for name, task in self.tasks.items()}

    def aliases(self) -> dict[str, str]:
        """What each task is called in tables."""
        return {name: str(task.get_config("task_alias") or name) for name, task in self.tasks.items()}

    @property
    def split(self) -> str:
        """The split that the tasks ask, or several joined."""
        found = []
        for task in self.tasks.values():
            key = "test_split" if task.has_test_docs() else "validation_split"
            found.append(str(task.get_config(key) or key.removesuffix("_split")))
        return "+".join(dict.fromkeys(found))

    @property
    def mode(self) -> Mode:
        """``generate`` where every task has a text written."""
        kinds = {task.OUTPUT_TYPE for task in self.tasks.values()}
        return "generate" if kinds == {"generate_until"} else "logprob"

    def members(self) -> dict[str, tuple[str, ...]]:
        """The groups with the tasks that are in them at any depth; without one that has them all."""
        found = {
            name: tuple(task.task_name for task in group.get_all_tasks())
            for name, group in self.groups.items()
        }
        return {name: of for name, of in found.items() if of and set(of) != set(self.tasks)}

    def prompt_sha256(self) -> str:
        """Changes with what is asked of the same documents: the tasks' configurations and the library."""
        configs = {name: task.dump_config() for name, task in self.tasks.items()}
        for config in configs.values():  # where its file lies is no part of it
            if isinstance(config.get("metadata"), dict):
                config["metadata"] = {**config["metadata"], "config_source": None}
            config["dataset_kwargs"] = None
        return _sha256([self.version, _OTHER_SEED, configs])

    def data_sha256(self) -> str:
        """Changes with the documents."""
        return _sha256([[name, *_documents(task)] for name, task in self.tasks.items()])

    def instances(self, task: str, number: int, last: int) -> Sequence[Any]:
        """The requests of document ``number`` as the library makes them (``Instance``).

        They are made for all documents up to ``last`` (the last that is wanted) at once and in order, since
        the shots of each are drawn after those of the one before. Raises ``UserError``.
        """
        if task not in self._instances or self._instances[task][0] < last:
            self._instances[task] = last, self._build(task, last + 1)
        return self._instances[task][1][number]

    def _build(self, name: str, count: int) -> Mapping[int, Sequence[Any]]:
        task = self.tasks[name]
        task.set_fewshot_seed(seed=_OTHER_SEED)
        try:
            with self.dice(), _quiet():
                task.build_all_requests(limit=count, rank=0, world_size=1)
        except Exception as error:  # a task may do anything
            raise UserError(
                f"{self.name}: the requests of task {name} cannot be made: {_said(error)}"
            ) from None
        found: dict[int, list[Any]] = {}
        for instance in task.instances:
            found.setdefault(instance.doc_id, []).append(instance)
        return found


def check_installed() -> None:
    """Raises ``UserError`` where the library is missing or too old."""
    if importlib.util.find_spec("lm_eval") is None:
        raise UserError(f"benchmarks lm-eval:TASK need lm-evaluation-harness; {_INSTALL}")
    version = metadata.version("lm-eval")
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if numbers < LEAST:
        raise UserError(
            f"benchmarks lm-eval:TASK need lm-eval {'.'.join(map(str, LEAST))} or later, not {version}; "
            + _INSTALL
        )


@lru_cache(maxsize=16)
def load(name: str, paths: tuple[Path, ...], shots: int | None) -> Tasks:
    """The tasks of ``lm-eval:NAME``, with their data; once a process.

    ``paths`` are folders with more tasks (the library's ``--include_path``); ``shots`` replaces the number of
    shots of each task that does not forbid them. Raises ``UserError``.
    """
    check_installed()
    for path in paths:
        if not path.is_dir():
            raise UserError(f"--llm-lm-eval-path={path} is not a folder")
    task = name.removeprefix("lm-eval:")
    # to read the 15,000 tasks that come with the library takes half a minute
    attempts = [False, True] if paths else [True]
    while True:
        dice = _Dice()
        packaged = attempts.pop(0)
        try:
            with dice(), _quiet():
                found = _loaded(task, paths, packaged)
            if found is not None:
                break
        except UserError:
            raise
        except Exception as error:
            if not attempts:
                raise UserError(f"{name} cannot be loaded: {_said(error)}") from None
    tasks = Tasks(
        name,
        found["tasks"],
        found.get("groups", {}),
        metadata.version("lm-eval"),
        dice,
        {called: dict(task.aggregation() or {}) for called, task in found["tasks"].items()},
    )
    if not tasks.tasks:
        raise UserError(f"{name} holds no task")
    for called, one in tasks.tasks.items():
        _set_up(name, called, one, shots)
    return tasks


def _loaded(task: str, paths: Sequence[Path], packaged: bool) -> Any:
    """What the library makes of a name; None where it may still be one of its own tasks."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=[str(path) for path in paths] or None, include_defaults=packaged)
    if task not in manager.task_index and not Path(task).is_file():
        if packaged:
            where = "lm-evaluation-harness" + "".join(f" and {path}" for path in paths)
            raise unknown("task", task, manager.all_tasks, where=where)
        return None
    return manager.load([task])


def _set_up(name: str, called: str, task: Any, shots: int | None) -> None:
    """What ``simple_evaluate`` does with each task before it is asked. Raises ``UserError``."""
    if getattr(task, "UNSAFE_CODE", False):
        raise UserError(f"{name}: task {called} runs code that the model wrote; that is not done here")
    if getattr(task, "MULTIMODAL", False):
        raise UserError(f"{name}: task {called} shows images or plays sounds; only texts are asked here")
    if task.get_config("output_type") == "generate_until":
        problem = generation.problem(task.get_config("generation_kwargs") or {})
        if problem is not None:
            raise UserError(f"{name}: task {called}: {problem}")
    given = task.get_config("num_fewshot")
    if given is None:
        task.set_config(key="num_fewshot", value=shots or 0)
    elif shots is not None and given != 0:
        task.set_config(key="num_fewshot", value=shots)


def _documents(task: Any) -> Sequence[Any]:
    found: Sequence[Any] = getattr(task, "task_docs", None) or task.eval_docs
    return found


def _sha256(content: object) -> str:
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, default=_spelled)
    return hashlib.sha256(text.encode()).hexdigest()


def _spelled(value: object) -> str:
    """A function by its source, for its address is another in each process."""
    if not callable(value):
        return str(value)
    try:
        return inspect.getsource(value)
    except (TypeError, OSError):
        return getattr(value, "__qualname__", type(value).__name__)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error, 300)}"
