"""The metric ``code_eval`` of the library ``evaluate``, with programs in our sandbox.

Tasks of lm-evaluation-harness that run programs (HumanEval, MBPP) load it by name. The original downloads
its code and runs programs in the session's own user account.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MethodType
from typing import Any

from pytest_llmeval.scoring.sandbox import selection
from pytest_llmeval.scoring.sandbox.runner import Limits, PythonTests, run

_NAME = "code_eval"
#: that of the original is 3 s, too short on a busy machine
_SECONDS = 10.0


class CodeEval:
    """Stands in for ``evaluate.load("code_eval")``."""

    def compute(
        self,
        *,
        references: Sequence[str],
        predictions: Sequence[Sequence[str]],
        k: Sequence[int] = (1, 10, 100),
        **_: object,
    ) -> tuple[dict[str, float], dict[int, list[tuple[int, dict[str, Any]]]]]:
        """``pass@k`` of programs, and for each reference the result of each of its programs.

        A program passes if it and then its reference run without an error. Raises ``SandboxFailed``.
        """
        results: dict[int, list[tuple[int, dict[str, Any]]]] = {}
        for task, (reference, programs) in enumerate(zip(references, predictions, strict=True)):
            results[task] = [
                (number, _result(program, reference, task, number)) for number, program in enumerate(programs)
            ]
        counts = [(len(rows), sum(row["passed"] for _, row in rows)) for rows in results.values()]
        rates = {
            f"pass@{tries}": sum(pass_at(total, passed, tries) for total, passed in counts) / len(counts)
            for tries in k
            if counts and all(total >= tries for total, _ in counts)
        }
        return rates, results


def pass_at(total: int, passed: int, tries: int) -> float:
    """The estimated chance that one of ``tries`` programs passes, where ``passed`` of ``total`` did.

    Unbiased (Chen et al., Evaluating Large Language Models Trained on Code, arXiv:2107.03374).
    """
    return 1 - math.comb(total - passed, tries) / math.comb(total, tries)


def _result(program: str, reference: str, task: int, number: int) -> dict[str, Any]:
    found = run(program, PythonTests(reference), Limits(seconds=_SECONDS), provider=selection.selected())
    reason = "passed" if found.passed else f"failed: {found.reason}"
    return {"task_id": task, "completion_id": number, "passed": found.passed, "result": reason}


@contextlib.contextmanager
def sandboxed() -> Iterator[None]:
    """Let tasks that load ``code_eval`` get ``CodeEval``."""
    try:
        import evaluate  # type: ignore[import-untyped]  # it has no types
    except ImportError:  # then tasks cannot load it either
        yield
        return
    load: Callable[..., Any] = evaluate.load

    def load_metric(path: str, *args: Any, **kwargs: Any) -> Any:
        return CodeEval() if path == _NAME else load(path, *args, **kwargs)

    evaluate.load = load_metric
    try:
        yield
    finally:
        evaluate.load = load


def is_sandboxed(task: Any) -> bool:
    """Whether the functions of a task run programs with ``CodeEval``."""
    return any(
        isinstance(value.__self__ if isinstance(value, MethodType) else value, CodeEval)
        for function in _functions(task.dump_config() | {"metric_fns": list(task._metric_fn_list.values())})
        for value in (function, *getattr(function, "__globals__", {}).values())
    )


def _functions(value: object) -> Iterator[Any]:
    """All functions in nested lists and mappings."""
    if callable(value):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _functions(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _functions(item)
