"""Find benchmarks by name or path and load them: packaged ones, and a user's folders and files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.suites import infer, variants
from pytest_llmeval.suites.formats import format_of
from pytest_llmeval.suites.spec import FILE_NAME, Benchmark, parse
from pytest_llmeval.suites.tables import SUFFIXES, is_table, tables_in

#: by path, metric and variant: the benchmark, and the time and size of the files that it was read from
_loaded: dict[tuple[Path, str | None, str | None], tuple[tuple[int, int], Benchmark]] = {}


def load(folder: Path, metric: str | None = None, variant: str | None = None) -> Benchmark:
    """Load the benchmark in ``folder``, or a variant of it; the result is cached until the file changes.

    ``folder`` may also be the path of a benchmark.toml or of a file of questions, or a folder of such files
    without a benchmark.toml, each of which is a subject. A benchmark.toml next to
    a file of questions describes that file. ``metric`` is the name of the metric, unless a benchmark.toml
    sets one, instead of the inferred one. Raises ``UserError`` with the file, the key and a fix.
    """
    if is_table(folder) or (tables_in(folder) and not _is_benchmark(folder)):
        return _load_table(folder, metric, variant)
    path = folder if folder.name == FILE_NAME else folder / FILE_NAME
    try:
        stat = path.stat()
        stamp = stat.st_mtime_ns, stat.st_size
        if (path, metric, variant) in _loaded and _loaded[path, metric, variant][0] == stamp:
            return _loaded[path, metric, variant][1]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    table = variants.apply(_table(path), variant, path)
    benchmark = parse(_infer_missing(table, path, metric), path, variant)
    _loaded[path, metric, variant] = stamp, benchmark
    if variant is None:
        for name in benchmark.variants:  # a mistake in one is found before it is asked for
            load(folder, metric, name)
    return benchmark


def _table(path: Path) -> dict[str, Any]:
    """Read and parse a benchmark.toml. Raises ``UserError``."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {one_line(error)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _load_table(file: Path, metric: str | None, variant: str | None) -> Benchmark:
    """Load a file of questions, or a folder of them, as a benchmark. Raises ``UserError``."""
    toml_file = file.with_name(FILE_NAME)
    table: dict[str, Any] = {}
    try:
        stats = [path.stat() for path in (tables_in(file) if file.is_dir() else [file])]
        stamps = [hash(tuple(stat.st_mtime_ns for stat in stats)), sum(stat.st_size for stat in stats)]
        if _is_benchmark(file.parent) and not file.is_dir():
            stamps.append(toml_file.stat().st_mtime_ns)
            table = variants.apply(_table(toml_file), variant, toml_file)
            data = table.get("data", {})
            name = file.name.replace("{", "{{").replace("}", "}}")
            table["data"] = {**data, "paths": [name]} if isinstance(data, dict) else data
        elif variant is not None:
            raise UserError(f"{file} has no variant {variant!r}: it has no {FILE_NAME} that declares any")
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    stamp = stamps[0], sum(stamps[1:])
    if (file, metric, variant) in _loaded and _loaded[file, metric, variant][0] == stamp:
        return _loaded[file, metric, variant][1]
    benchmark = parse(infer.complete(_with_metric(table, metric), file), file, variant)
    _loaded[file, metric, variant] = stamp, benchmark
    return benchmark


def _with_metric(table: dict[str, Any], metric: str | None) -> dict[str, Any]:
    """``table`` with the metric, if there is one and the table sets neither metric nor extractor."""
    return table if metric is None or {"metric", "extractor"} & table.keys() else table | {"metric": metric}


def _infer_missing(table: dict[str, Any], path: Path, metric: str | None) -> dict[str, Any]:
    """Infer what a benchmark.toml omits from its file of questions, if it has exactly one."""
    data = table.get("data", {})
    if (
        not isinstance(data, dict)
        or {"question", "messages", "choices", "answer", "hub", "header"} & data.keys()
    ):
        return table
    names = [data["paths"]] if isinstance(data.get("paths"), str) else data.get("paths")
    if names is None:
        file = infer.table_in(path.parent)
    elif isinstance(names, list) and len(names) == 1 and isinstance(names[0], str) and "{" not in names[0]:
        file = path.parent / names[0]
    else:
        return table
    if file is None or not is_table(file):
        return table
    table.setdefault("name", path.parent.name)
    return infer.complete(_with_metric(table, metric), file)


def packaged_dir() -> Path:
    """The folder of packaged benchmarks: inside the package in a wheel, next to it in the repository."""
    package = Path(__file__).parents[1]
    inside = package / "benchmarks"
    return inside if inside.is_dir() else package.parent / "benchmarks"


def _folders(parent: Path) -> dict[str, Path]:
    return {file.parent.name: file.parent for file in sorted(parent.glob(f"*/{FILE_NAME}"))}


def packaged() -> dict[str, Path]:
    """Map the names of packaged benchmarks to their folders."""
    return _folders(packaged_dir())


def _is_benchmark(folder: Path) -> bool:
    # os.path, because Path.is_file raises for names that are too long or contain NUL
    return os.path.isfile(folder / FILE_NAME)


def is_path(text: str, near: Path) -> bool:
    """Whether a benchmark's name is a path that exists, relative to ``near``."""
    return os.path.exists(near / os.path.expanduser(text))


def find(name: str, near: Path) -> Path:
    """Find a benchmark's folder or file of questions; a folder may also hold several files and nothing else.

    ``name`` is a path relative to ``near``, the name of a benchmark in ``near`` or ``near/benchmarks``, or
    the name of a packaged benchmark. Raises ``UserError`` that suggests the closest name.
    """
    path = near / os.path.expanduser(name)
    if path.name == FILE_NAME:
        path = path.parent
    # not resolved: the name and the suffix of a link in a cache are those that the user knows
    absolute = Path(os.path.abspath(path))
    if _is_benchmark(path) or is_table(path):
        return absolute
    for folder in (near, near / "benchmarks" / name):
        if _is_benchmark(folder) and load(folder).name == name:
            return folder
    folders = packaged()
    if name in folders:
        return folders[name]
    if os.path.isdir(path):
        tables = tables_in(absolute)
        if not tables:
            raise UserError(
                f"{path}: the folder has neither a {FILE_NAME} nor a file of questions ({SUFFIXES})"
            )
        return tables[0] if len(tables) == 1 else absolute
    if os.path.isfile(path):
        hint = "; save it as CSV (UTF-8)" if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise UserError(f"{path}: not a file of questions ({SUFFIXES}){hint}")
    if path.suffix.lower() == ".zip" or format_of(path) is not None:
        raise UserError(
            f"--llm-benchmark={one_line(name, 120)}: no such file (looked for {one_line(path, 200)})"
        )
    raise unknown("benchmark", name, folders)


def load_all(start: Path, names: Iterable[str], paths: Iterable[str]) -> dict[str, Benchmark]:
    """Load every benchmark that a session may refer to, with its variants, by their names in results.

    These are the packaged benchmarks, those under ``start``, those in ``names``, and those at or next to
    ``paths``.
    """
    folders = [
        *packaged().values(),
        *_folders(start / "benchmarks").values(),
        *_folders(start).values(),
        start,
    ]
    named = [find(name, start) for name in names]
    for path in paths:
        test_path = start / path.partition("::")[0]
        folders += [test_path, test_path.parent]
    benchmarks = {}
    for folder in (*folders, *named):
        if folder in named or _is_benchmark(folder) or is_table(folder):
            benchmark = load(folder)
            for item in (benchmark, *(load(folder, variant=name) for name in benchmark.variants)):
                benchmarks[item.result_name] = item
    return benchmarks
