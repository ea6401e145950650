"""Ask math-verify, in a process of its own, whether two formulas are equal; each time within a time limit."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pytest_llmeval.scoring.worker import Worker


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether two formulas are equal, their decimals if they have real values, and what went wrong."""

    equal: bool
    gold: str | None = None
    answer: str | None = None
    problem: str = ""


def is_installed() -> bool:
    """Whether math-verify can be imported."""
    try:
        return importlib.util.find_spec("math_verify") is not None
    except (ImportError, ValueError):
        return False


@lru_cache(maxsize=8192)
def prove(gold: str, answer: str, seconds: float) -> Proof:
    """Whether two formulas in LaTeX are equal; False after ``seconds`` of processor time."""
    reply = _SHARED.ask({"gold": gold, "answer": answer}, seconds)
    if reply is None:
        return Proof(False, problem=f"the comparison took more than {seconds:g} s")
    return Proof(False, problem=reply["error"]) if "error" in reply else Proof(**reply)


_SHARED = Worker(Path(__file__).with_name("worker.py"))
