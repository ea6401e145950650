"""LLM benchmarks as pytest items.

The names below are public: they keep their meaning until the next major version. Everything else may move.
They are imported when first used, so that loading the plugin stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmeval.analysis.conditions import EvalConditions
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.core.errors import DataMissing, LLMEvalError, ModelUnusable, RequestFailed, UserError
    from pytest_llmeval.core.types import (
        ChatPrompt,
        Completion,
        Grade,
        Judgement,
        Message,
        Outcome,
        Prompt,
        Question,
        Request,
        TextPrompt,
    )
    from pytest_llmeval.models.base import (
        Job,
        Jobs,
        Model,
        Storable,
        model_key,
        run_batches,
        run_concurrently,
    )
    from pytest_llmeval.results.benchmark_info import BenchmarkInfo
    from pytest_llmeval.results.record import Record
    from pytest_llmeval.runtime.llm import LLM
    from pytest_llmeval.scoring.extract import Extractor
    from pytest_llmeval.scoring.metrics import Metric, Reasoned, Score, Scores
    from pytest_llmeval.suites.source import Source
    from pytest_llmeval.suites.suite import Suite

__version__ = "0.1.0"

__all__ = [
    "LLM",
    "BenchmarkInfo",
    "ChatPrompt",
    "Completion",
    "DataMissing",
    "EvalConditions",
    "Extractor",
    "Grade",
    "Job",
    "Jobs",
    "Judgement",
    "LLMEvalError",
    "Message",
    "Metric",
    "Model",
    "ModelConfig",
    "ModelUnusable",
    "Outcome",
    "Prompt",
    "Question",
    "Reasoned",
    "Record",
    "Request",
    "RequestFailed",
    "Score",
    "Scores",
    "Source",
    "Storable",
    "Suite",
    "TextPrompt",
    "UserError",
    "model_key",
    "run_batches",
    "run_concurrently",
]

_HOMES = {
    "analysis.conditions": ("EvalConditions",),
    "config.models": ("ModelConfig",),
    "core.errors": ("DataMissing", "LLMEvalError", "ModelUnusable", "RequestFailed", "UserError"),
    "core.types": (
        *("ChatPrompt", "Completion", "Grade", "Judgement", "Message", "Outcome", "Prompt"),
        *("Question", "Request", "TextPrompt"),
    ),
    "models.base": ("Job", "Jobs", "Model", "Storable", "model_key", "run_batches", "run_concurrently"),
    "results.record": ("Record",),
    "results.benchmark_info": ("BenchmarkInfo",),
    "runtime.llm": ("LLM",),
    "scoring.extract": ("Extractor",),
    "scoring.metrics": ("Metric", "Reasoned", "Score", "Scores"),
    "suites.source": ("Source",),
    "suites.suite": ("Suite",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
