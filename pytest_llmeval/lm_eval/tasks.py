"""Load a task, group or tag of lm-evaluation-harness and set it up as its ``simple_evaluate`` does.

Seeds, the number of shots and the order of steps follow ``evaluator.py`` in version 0.4.13.
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
from pytest_llmeval.lm_eval import chat, code_eval, generation

#: the oldest supported version, for ``TaskManager.load`` and groups
LEAST = (0, 4, 13)
# the defaults of simple_evaluate
_RANDOM_SEED = 0
_OTHER_SEED = 1234
_INSTALL = "pip install 'pytest-llmeval-harness[lm-eval]'"


class _RandomState:
    """A task's global random state, isolated from the session's.

    Tasks may shuffle with Python's or numpy's global state, which lm-evaluation-harness seeds before it loads
    them. Entering this context seeds or restores both for the task; leaving it restores the session's.
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


@dataclass(frozen=True, slots=True)
class Turns:
    """Whether documents are asked as chat turns, with each shot a turn, and the system instruction.

    As ``--apply_chat_template --fewshot_as_multiturn`` and ``--system_instruction`` of the library.
    """

    chat: bool = False
    system: str | None = None


@dataclass(slots=True)
class Tasks:
    """The tasks that ``lm-eval:NAME`` selects, by name, and their groups.

    ``tasks`` and ``groups`` contain the library's own objects.
    """

    name: str
    tasks: Mapping[str, Any]
    groups: Mapping[str, Any]
    version: str
    random_state: _RandomState
    #: each task's aggregations before grading, which adds to the task's own table
    aggregations: Mapping[str, Mapping[str, Any]]
    turns: Turns = Turns()
    _instances: dict[str, tuple[int, Mapping[int, Sequence[Any]]]] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        """The number of documents in each task."""
        return {name: len(_documents(task)) for name, task in self.tasks.items()}

    def shots(self) -> dict[str, int]:
        """The number of shots in each task's prompts."""
        return {name: task.get_config("num_fewshot") or 0 for name, task in self.tasks.items()}

    def aliases(self) -> dict[str, str]:
        """Each task's name in tables."""
        return {name: str(task.get_config("task_alias") or name) for name, task in self.tasks.items()}

    @property
    def split(self) -> str:
        """The split that the tasks evaluate; several are joined with ``+``."""
        splits = []
        for task in self.tasks.values():
            key = "test_split" if task.has_test_docs() else "validation_split"
            splits.append(str(task.get_config(key) or key.removesuffix("_split")))
        return "+".join(dict.fromkeys(splits))

    @property
    def mode(self) -> Mode:
        """``generate`` if every task generates text, else ``logprob``."""
        kinds = {task.OUTPUT_TYPE for task in self.tasks.values()}
        return "generate" if kinds == {"generate_until"} else "logprob"

    @property
    def runs_code(self) -> bool:
        """Whether answers of some task are programs, which are run."""
        return any(getattr(task, "UNSAFE_CODE", False) for task in self.tasks.values())

    def members(self) -> dict[str, tuple[str, ...]]:
        """Each group's tasks at any depth, without groups that are empty or contain every task."""
        members = {
            name: tuple(task.task_name for task in group.get_all_tasks())
            for name, group in self.groups.items()
        }
        return {name: tasks for name, tasks in members.items() if tasks and set(tasks) != set(self.tasks)}

    def prompt_sha256(self) -> str:
        """A hash of the tasks' configurations and the library's version, which determine the prompts."""
        configs = {name: task.dump_config() for name, task in self.tasks.items()}
        for config in configs.values():  # without file locations
            if isinstance(config.get("metadata"), dict):
                config["metadata"] = {**config["metadata"], "config_source": None}
            config["dataset_kwargs"] = None
        turns = [] if self.turns == Turns() else [[self.turns.chat, self.turns.system]]
        return _sha256([self.version, _OTHER_SEED, configs, *turns])

    def data_sha256(self) -> str:
        """A hash of the documents."""
        return _sha256([[name, *_documents(task)] for name, task in self.tasks.items()])

    def instances(self, task: str, number: int, last: int) -> Sequence[Any]:
        """The requests that the library builds for document ``number`` (its ``Instance`` objects).

        Builds the requests of all documents up to ``last`` (the last one needed) at once and in order, as
        the shots of each document depend on earlier draws. Raises ``UserError``.
        """
        if task not in self._instances or self._instances[task][0] < last:
            self._instances[task] = last, self._build(task, last + 1)
        return self._instances[task][1][number]

    def _build(self, name: str, count: int) -> Mapping[int, Sequence[Any]]:
        task = self.tasks[name]
        task.set_fewshot_seed(seed=_OTHER_SEED)
        try:
            with self.random_state(), _quiet():
                task.build_all_requests(
                    limit=count,
                    rank=0,
                    world_size=1,
                    system_instruction=self.turns.system,
                    apply_chat_template=self.turns.chat,
                    fewshot_as_multiturn=self.turns.chat,
                    chat_template=chat.pack if self.turns.chat else None,
                )
        except Exception as error:  # task code may raise anything
            raise UserError(
                f"{self.name}: cannot build the requests of task {name}: {_message(error)}"
            ) from None
        instances: dict[int, list[Any]] = {}
        for instance in task.instances:
            instances.setdefault(instance.doc_id, []).append(instance)
        return instances


def check_installed() -> None:
    """Raise ``UserError`` if the library is missing or too old."""
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
def load(name: str, paths: tuple[Path, ...], shots: int | None, turns: Turns = Turns()) -> Tasks:
    """Load the tasks of ``lm-eval:NAME`` with their data, once per process.

    ``paths`` are folders with more tasks (the library's ``--include_path``); ``shots`` replaces the number of
    shots of each task that allows shots. Raises ``UserError``.
    """
    check_installed()
    for path in paths:
        if not path.is_dir():
            raise UserError(f"--llm-lm-eval-path={path} is not a folder")
    task = name.removeprefix("lm-eval:")
    # reading the library's 15,000 packaged tasks takes half a minute: try the user's folders first
    attempts = [False, True] if paths else [True]
    while True:
        random_state = _RandomState()
        packaged = attempts.pop(0)
        try:
            with random_state(), _quiet(), code_eval.sandboxed():
                loaded = _load_task(task, paths, packaged)
            if loaded is not None:
                break
        except UserError:
            raise
        except Exception as error:
            if not attempts:
                raise UserError(f"{name} cannot be loaded: {_message(error)}") from None
    tasks = Tasks(
        name,
        loaded["tasks"],
        loaded.get("groups", {}),
        metadata.version("lm-eval"),
        random_state,
        {task_name: dict(task.aggregation() or {}) for task_name, task in loaded["tasks"].items()},
        turns,
    )
    if not tasks.tasks:
        raise UserError(f"{name} has no tasks")
    for task_name, loaded_task in tasks.tasks.items():
        _set_up(name, task_name, loaded_task, shots)
    return tasks


def _load_task(task: str, paths: Sequence[Path], packaged: bool) -> Any:
    """Load a task by name; None if it may still be a packaged task that was not searched."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=[str(path) for path in paths] or None, include_defaults=packaged)
    if task not in manager.task_index and not Path(task).is_file():
        if packaged:
            where = "lm-evaluation-harness" + "".join(f" and {path}" for path in paths)
            raise unknown("task", task, manager.all_tasks, where=where)
        return None
    return manager.load([task])


def _set_up(name: str, task_name: str, task: Any, shots: int | None) -> None:
    """Prepare a task as ``simple_evaluate`` does. Raises ``UserError`` if it is not supported."""
    if getattr(task, "UNSAFE_CODE", False) and not code_eval.is_sandboxed(task):
        raise UserError(
            f"{name}: task {task_name} runs code written by the model itself, outside of any sandbox; "
            "it is not supported"
        )
    if getattr(task, "MULTIMODAL", False):
        raise UserError(f"{name}: task {task_name} needs images or sound; only text is supported")
    if task.get_config("output_type") == "generate_until":
        problem = generation.problem(task.get_config("generation_kwargs") or {})
        if problem is not None:
            raise UserError(f"{name}: task {task_name}: {problem}")
    own_shots = task.get_config("num_fewshot")
    if own_shots is None:
        task.set_config(key="num_fewshot", value=shots or 0)
    elif shots is not None and own_shots != 0:
        task.set_config(key="num_fewshot", value=shots)


def _documents(task: Any) -> Sequence[Any]:
    documents: Sequence[Any] = getattr(task, "task_docs", None) or task.eval_docs
    return documents


def _sha256(content: object) -> str:
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, default=_source)
    return hashlib.sha256(text.encode()).hexdigest()


def _source(value: object) -> str:
    """A function as its source, since its repr has an address that differs between processes."""
    if not callable(value):
        return str(value)
    try:
        return inspect.getsource(value)
    except (TypeError, OSError):
        return getattr(value, "__qualname__", type(value).__name__)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the library's output and progress bars."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def _message(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error, 300)}"
