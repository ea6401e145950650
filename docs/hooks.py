"""Pages of the site that are made from other files: options, keys, documents at the project's root."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pytest_llmeval.config.declare import Option, options_of  # noqa: E402
from pytest_llmeval.config.models import JudgeConfig, ModelConfig  # noqa: E402
from pytest_llmeval.config.options import OPTIONS, SECTIONS  # noqa: E402
from pytest_llmeval.suites import benchmark  # noqa: E402

_DOCUMENTS = ("ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY")
_EXAMPLE = re.compile(r"^(?:\.\./)?examples/(\w+)/README\.md$")
_FOLDER = TemporaryDirectory()
_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list of texts",
    "object": "table",
    "": "",
}
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Build from a copy of ``docs/`` that also has the generated pages. Called once for each language."""
    source = Path(_FOLDER.name, "docs")
    if not source.exists():
        _prepare(source, config)
    config.docs_dir = str(source)
    return config


def _prepare(source: Path, config: MkDocsConfig) -> None:
    shutil.copytree(config.docs_dir, source, ignore=shutil.ignore_patterns("hooks.py", "__pycache__"))
    for name in _DOCUMENTS:
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8").replace("](docs/", "](")
        (source / f"{name.lower()}.md").write_text(text, encoding="utf-8")
    (source / "options.md").write_text(_options(), encoding="utf-8")
    (source / "benchmark-toml.md").write_text(_benchmark_keys(), encoding="utf-8")
    for example in sorted((ROOT / "examples").glob("*/README.md")):
        (source / "examples").mkdir(exist_ok=True)
        text = example.read_text(encoding="utf-8").replace("../../docs/", "../")
        (source / "examples" / f"{example.parent.name}.md").write_text(text, encoding="utf-8")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Point links to documents at the project's root to their pages."""
    return _LINK.sub(lambda match: f"]({_page(match[1])}", markdown)


def _page(target: str) -> str:
    name = target.removeprefix("../")
    if name.removesuffix(".md") in _DOCUMENTS:
        return name.lower()
    if name in ("README.md", "README.zh-CN.md"):
        return "index.md"
    return _EXAMPLE.sub(r"examples/\1.md", target)


def _options() -> str:
    parts = [
        "# Options",
        "Every option works on the command line and in `llmeval.toml` (or `[tool.llmeval]` of "
        "`pyproject.toml`), where dashes become underscores. The command line wins. This page is generated "
        "from the code; `pytest --help` shows the same texts.",
        *_sections(),
        "## Keys of `[models.NAME]`",
        _table(("key", "what it does"), map(_key_row, options_of(ModelConfig))),
        "## Keys of `[judge]`",
        _table(("key", "what it does"), map(_key_row, options_of(JudgeConfig))),
    ]
    return "\n\n".join(parts) + "\n"


def _sections() -> Iterator[str]:
    """The options of the command line, in the sections of ``--help``."""
    titles = {key: title for title, key in SECTIONS}
    sections: dict[str, list[Option]] = {}
    title = ""
    for option in OPTIONS:
        title = titles.get(option.key, title)
        sections.setdefault(title, []).append(option)
    for title, options in sections.items():
        yield f"## {title[0].upper()}{title[1:]}"
        yield _table(("option", "key in llmeval.toml", "what it does"), map(_option_row, options))


def _option_row(option: Option) -> tuple[str, ...]:
    value = "" if option.metavar is None else f"={option.metavar}"
    key = f"`{option.plural or option.key}`" if option.in_file else "-"
    return f"`--llm-{option.name}{value}`", key, _escaped(option.help)


def _key_row(option: Option) -> tuple[str, ...]:
    return f"`{option.key}`", _escaped(option.help)


def _benchmark_keys() -> str:
    parts = [
        "# benchmark.toml",
        "The keys of a `benchmark.toml`. [Make a benchmark](own-benchmarks.md) shows how to use them. This "
        "page is generated from the code. `python -m pytest_llmeval schema benchmark` prints the same as a "
        "JSON Schema.",
        *_key_tables(benchmark.schema(), ""),
    ]
    return "\n\n".join(parts) + "\n"


def _key_tables(schema: Mapping[str, Any], name: str) -> Iterator[str]:
    """The keys of a table, then those of the tables in it, each under a heading of its own."""
    keys = schema["properties"]
    tables = {key: found for key, value in keys.items() if (found := _tables_in(value, key))}
    only_tables = {key for key in tables if "anyOf" not in keys[key]}
    if rows := [_schema_row(key, value) for key, value in keys.items() if key not in only_tables]:
        yield f"## `[{name}]`" if name else "## Top level"
        yield _table(("key", "value", "what it does"), rows)
    for inner in tables.values():
        for path, table in inner.items():
            yield from _key_tables(table, f"{name}.{path}" if name else path)


def _tables_in(value: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    """The tables that a key may have as its value, by their names in a header."""
    more = value.get("additionalProperties")
    forms = [(key, value), (f"{key}.NAME", more if isinstance(more, dict) else {})]
    forms += [(key, form) for form in value.get("anyOf", ())]
    return {path: table for path, table in forms if "properties" in table}


def _schema_row(key: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    text = _escaped(value.get("description", ""))
    default = value.get("default")
    if isinstance(default, (str, int)) and default != "" and "(default" not in text:
        text += f" (default: `{json.dumps(default)}`)"
    return f"`{key}`", _kind(value), text


def _kind(value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{json.dumps(one)}`" for one in value["enum"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(map(_kind, value["anyOf"])))
    kinds = value.get("type", "")
    return _KINDS[kinds if isinstance(kinds, str) else kinds[0]]


def _escaped(text: str) -> str:
    return text.replace("%%", "%").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
