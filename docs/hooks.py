"""Pages of the site that are made from other files: the options, and the documents at the project's root."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from mkdocs.config.defaults import MkDocsConfig

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pytest_llmeval.config.declare import Option, options_of  # noqa: E402
from pytest_llmeval.config.models import JudgeConfig, ModelConfig  # noqa: E402
from pytest_llmeval.config.options import OPTIONS, SECTIONS  # noqa: E402

_DOCUMENTS = ("ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY")
_EXAMPLE = re.compile(r"^(?:\.\./)?examples/(\w+)/README\.md$")
_FOLDER = TemporaryDirectory()
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


def _escaped(text: str) -> str:
    return text.replace("%%", "%").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
